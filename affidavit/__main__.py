"""The command line, as `python -m affidavit`."""

from affidavit import main

main()
