"""Names of files by which the recorder and whoever started it understand each other."""

#: Says which recipe is being recorded, for whoever finds the process dead.
CURRENT = "current.json"
#: Says what records, and what is wrong with it.
ABOUT = "about.json"
