-- A vote that could not be read is no vote: it agrees with nothing, and where there was no other, there is no verdict.
DELETE FROM tallies WHERE name = 'referee' OR (name = 'votes' AND item IN ('agreed', 'disagreed'));

INSERT INTO tallies (name, item, n)
SELECT 'referee',
    CASE WHEN value IS NULL THEN 'none' WHEN value > 0.5 THEN 'wins' WHEN value < 0.5 THEN 'losses' ELSE 'ties' END,
    count(*)
FROM (
    SELECT json_extract(payload, '$.verdict.value') AS value FROM candidates
    WHERE json_array_length(payload, '$.verdict.votes') > 0
) GROUP BY 2;

INSERT INTO tallies (name, item, n)
SELECT 'votes', CASE json_extract(vote.value, '$.agreed') WHEN 1 THEN 'agreed' ELSE 'disagreed' END, count(*)
FROM outcomes AS o
JOIN candidates AS c ON c.seq = o.seq
JOIN json_each(c.payload, '$.verdict.votes') AS vote
LEFT JOIN revisions AS r ON r.id = o.revision
WHERE coalesce(json_extract(r.config, '$.referee.orders'), 'both') = 'both'
    AND json_extract(vote.value, '$.readable') = 1
GROUP BY 2;
