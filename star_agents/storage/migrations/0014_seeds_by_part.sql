-- Seeds by the part that they belong to: a run works some parts alone, and the others are counted.
CREATE INDEX seeds_by_part ON seeds (state, labels ->> '$.":part"', recipe, kind, ordinal)
WHERE labels ->> '$.":part"' IS NOT NULL;
