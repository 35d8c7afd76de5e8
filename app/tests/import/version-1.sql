-- What the first version of the program had in its database after four imports: a scan of Nessus and a later one, a generic table
-- and a report of OpenVAS.
BEGIN;
CREATE TABLE imports (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id  TEXT NOT NULL,
    filename    TEXT NOT NULL,
    vendor      TEXT NOT NULL,
    format      TEXT,
    status      TEXT NOT NULL
                CHECK (status IN ('running', 'completed', 'error', 'cancelled', 'interrupted')),
    started_ms  INTEGER NOT NULL,
    finished_ms INTEGER,
    summary     TEXT,
    error       TEXT
) STRICT;
INSERT INTO "imports" VALUES(1,'3d7dcf8e-9323-491c-9cae-84d816b11ae4','a.csv','Tenable','nessus','completed',1796026528085,1796026528089,'{"encoding_replacements":0,"new_vulnerabilities":6,"reopened":0,"resolved_vulnerabilities":0,"skipped_duplicates":0,"unchanged":0,"updated_vulnerabilities":0,"validation_errors":0}',NULL);
INSERT INTO "imports" VALUES(2,'ae68c930-3e4e-4151-972f-43703f3ece43','b.csv','Tenable','nessus','completed',1796026529104,1796026529109,'{"encoding_replacements":0,"new_vulnerabilities":0,"reopened":0,"resolved_vulnerabilities":1,"skipped_duplicates":0,"unchanged":4,"updated_vulnerabilities":1,"validation_errors":0}',NULL);
INSERT INTO "imports" VALUES(3,'8371f780-24b9-4abe-858d-82987dcf595b','g.csv','generic','generic','completed',1796026530121,1796026530126,'{"encoding_replacements":0,"new_vulnerabilities":3,"reopened":0,"resolved_vulnerabilities":0,"skipped_duplicates":0,"unchanged":0,"updated_vulnerabilities":0,"validation_errors":0}',NULL);
INSERT INTO "imports" VALUES(4,'b2769d03-1485-46eb-8ce0-4adb3b906d2d','o.csv','openvas','openvas','completed',1796026531136,1796026531142,'{"encoding_replacements":0,"new_vulnerabilities":3,"reopened":0,"resolved_vulnerabilities":0,"skipped_duplicates":0,"unchanged":0,"updated_vulnerabilities":0,"validation_errors":0}',NULL);
CREATE TABLE hosts (
    id       INTEGER PRIMARY KEY,
    vendor   TEXT NOT NULL,
    key      TEXT NOT NULL,
    ip       TEXT NOT NULL,
    hostname TEXT NOT NULL COLLATE NOCASE,
    UNIQUE (vendor, key)
) STRICT;
INSERT INTO "hosts" VALUES(1,'Tenable','192.0.2.10','192.0.2.10','');
INSERT INTO "hosts" VALUES(2,'Tenable','web1.example.net','','web1.example.net');
INSERT INTO "hosts" VALUES(3,'Tenable','web1.example.net.','','Web1.Example.net.');
INSERT INTO "hosts" VALUES(4,'Tenable','2001:db8:0:0::5','2001:DB8:0:0::5','');
INSERT INTO "hosts" VALUES(5,'Tenable','192.0.2.11','192.0.2.11','');
INSERT INTO "hosts" VALUES(6,'generic','db.lab','198.51.100.4','db.lab');
INSERT INTO "hosts" VALUES(7,'openvas','203.0.113.7','203.0.113.7','mail.lab');
CREATE TABLE findings (
    id            INTEGER PRIMARY KEY,
    host_id       INTEGER NOT NULL REFERENCES hosts (id),
    check_id      TEXT NOT NULL,
    cve           TEXT NOT NULL,
    port          TEXT NOT NULL,
    protocol      TEXT NOT NULL,
    title         TEXT NOT NULL,
    solution      TEXT NOT NULL,
    severity      INTEGER NOT NULL,
    state         TEXT NOT NULL,
    cvss          REAL,
    active        INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL,
    import_id     INTEGER NOT NULL REFERENCES imports (id),
    UNIQUE (host_id, check_id, cve, port, protocol)
) STRICT;
INSERT INTO "findings" VALUES(1,1,'10287','','0','udp','Traceroute Information','n/a',0,'',NULL,1,1796026528088,1796026529108,2);
INSERT INTO "findings" VALUES(2,1,'51192','','443','tcp','SSL Certificate Cannot Be Trusted','Buy a proper certificate.',2,'',6.5,0,1796026528088,1796026528088,1);
INSERT INTO "findings" VALUES(3,2,'104743','CVE-2011-3389','443','tcp','TLS Version 1.0','Enable TLS 1.2.',2,'',6.5,1,1796026528088,1796026529108,2);
INSERT INTO "findings" VALUES(4,3,'104743','CVE-2011-3389','8443','TCP','TLS Version 1.0','Enable TLS 1.2.',2,'',6.5,1,1796026528088,1796026529108,2);
INSERT INTO "findings" VALUES(5,4,'12217','','53','udp','DNS Server Cache Snooping','Contact the vendor.',2,'',5.0,1,1796026528088,1796026529108,2);
INSERT INTO "findings" VALUES(6,5,'20007','CVE-2014-3566','443.0','tcp','SSL Version 2 and 3','Disable it.',3,'',9.8,1,1796026528088,1796026529108,2);
INSERT INTO "findings" VALUES(7,6,'Default Password','','5432/tcp','','Default Password','',3,'',NULL,1,1796026530126,1796026530126,3);
INSERT INTO "findings" VALUES(8,6,'default password','','5432','','default password','',3,'',NULL,1,1796026530126,1796026530126,3);
INSERT INTO "findings" VALUES(9,6,'Weak Cipher','CVE-2013-2566','5432','','Weak Cipher','',1,'',NULL,1,1796026530126,1796026530126,3);
INSERT INTO "findings" VALUES(10,7,'1.3.6.1.4.1.25623.1.0.100072','CVE-2001-0001','25','tcp','SMTP VRFY','',2,'',5.0,1,1796026531141,1709287200000,4);
INSERT INTO "findings" VALUES(11,7,'1.3.6.1.4.1.25623.1.0.100072','CVE-2001-0002','25','tcp','SMTP VRFY','',2,'',5.0,1,1796026531141,1709287200000,4);
INSERT INTO "findings" VALUES(12,7,'1.3.6.1.4.1.25623.1.0.80091','','','tcp','TCP timestamps','',1,'',2.6,1,1796026531141,1709287200000,4);
CREATE INDEX hosts_by_key ON hosts (key);
CREATE INDEX hosts_by_ip ON hosts (ip);
CREATE INDEX hosts_by_hostname ON hosts (hostname);
CREATE INDEX findings_by_status ON findings (active, severity);
PRAGMA user_version = 1;
COMMIT;
