"""The paper's results (arXiv 2401.10748, sections 4.1 to 4.4), measured again: studies, claims and verdicts."""
