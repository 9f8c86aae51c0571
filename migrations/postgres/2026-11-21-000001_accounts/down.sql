-- The four tables may belong to another app, and hold its users: they stay.
SELECT 1;
