"""``python -m xraybatch``."""

from xraybatch.cli.app import main

if __name__ == "__main__":
    main()
