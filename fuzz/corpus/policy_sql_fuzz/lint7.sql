SELECT path FROM file WHERE bytes BETWEEN 1 AND 10 -- a comment
