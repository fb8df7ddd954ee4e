-- Seeds that wait, by who takes them: those of a recipe that is not in the chain are passed over, and counted.
CREATE INDEX waiting_by_recipe ON seeds (recipe, kind, ordinal) WHERE state = 'waiting';
