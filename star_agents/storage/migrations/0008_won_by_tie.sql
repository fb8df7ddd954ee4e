-- Improved seeds whose winner was no more than a tie with the base: its gap decided (Eq. 7).
INSERT INTO tallies (name, item, n)
SELECT 'referee', 'won_by_tie', count(*)
FROM outcomes AS o
JOIN candidates AS c ON c.seq = o.seq AND c.chosen = 1
WHERE o.kind = 'kept' AND json_extract(c.payload, '$.verdict.value') = 0.5
HAVING count(*) > 0;
