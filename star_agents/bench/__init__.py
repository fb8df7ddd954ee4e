"""What a recipe may ask for, and the paid calls behind it, through the journal. Rooms meet here."""
