-- Every statement may run again: a migration that was interrupted is simply repeated.
ALTER TABLE entry ADD COLUMN IF NOT EXISTS currency text NOT NULL DEFAULT 'EUR';
CREATE INDEX IF NOT EXISTS entry_customer ON entry (customer);
INSERT INTO entry VALUES (4, 'Moreau', 42.00, 'EUR') ON CONFLICT DO NOTHING;
