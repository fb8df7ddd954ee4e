"""Seeds through the recipe to committed outcomes: wiring, workers, holds, intake, batch and daemon. Rooms meet here."""
