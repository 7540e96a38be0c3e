"""Many theorems: runs that survive a kill, what came of them in figures, and reports to look at."""
