"""The networks' arithmetic, fast: compiled and eager kernels that give the same bits."""
