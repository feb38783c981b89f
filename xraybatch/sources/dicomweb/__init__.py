"""Films of a PACS, by DICOMweb: asked for, listed, fetched."""
