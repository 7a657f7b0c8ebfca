-- Entries to work with: what a workstation's ledger begins with, before `ledger-migration`. Servers have production's.
SET ROLE billing;
INSERT INTO entry VALUES (1, 'Durand', 120.00), (2, 'Martin', 75.50), (3, 'Petit', 310.25);
