"""Films of archives, which anybody may have made: taken out within limits, or read in place."""
