-- Signed certificates of erasure (ADM-25, CNF-33). Source: docs/privacy.md, "The certificate".
-- Deploy: additive; before the processes with the roles relay and api.

CREATE TABLE erasure_certificates (
    tenant_id    uuid        NOT NULL,
    subject      uuid        NOT NULL,
    certified_at timestamptz NOT NULL,
    certificate  json        NOT NULL,
    PRIMARY KEY (tenant_id, subject)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON erasure_certificates FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE erasure_certificates ENABLE ALWAYS TRIGGER append_only;

GRANT SELECT, INSERT ON erasure_certificates TO holdfast_relay;
GRANT SELECT ON erasure_certificates TO holdfast_auditor;
CREATE POLICY relay ON erasure_certificates TO holdfast_relay USING (true) WITH CHECK (true);
CREATE POLICY auditor ON erasure_certificates TO holdfast_auditor
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
ALTER TABLE erasure_certificates ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasure_certificates FORCE ROW LEVEL SECURITY;
ALTER TABLE erasure_certificates OWNER TO holdfast_owner;
REVOKE UPDATE, DELETE, TRUNCATE ON erasure_certificates FROM holdfast_owner;
