"""The referee: what it is asked, how its verdict is read, and the exam that it sits first."""
