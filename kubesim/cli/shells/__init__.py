"""The scripts that `completion` prints. PROGRAM in them stands for the program's name."""
