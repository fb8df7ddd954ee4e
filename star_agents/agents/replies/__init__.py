"""What a provider replied, read in one place: its body, answer, thoughts, end and usage, each within bounds."""
