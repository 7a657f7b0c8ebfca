-- The state of the ledger's first release; `ledger-migration` brings it up to date.
CREATE ROLE billing LOGIN;
CREATE DATABASE ledger OWNER billing;
\connect ledger
SET ROLE billing;
CREATE TABLE entry (
  number   integer PRIMARY KEY,
  customer text    NOT NULL,
  amount   numeric NOT NULL
);
