-- A store of format 1. Never edit: it stands for what older programs have written.
PRAGMA journal_mode = WAL;
CREATE TABLE layers (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    created INTEGER NOT NULL, boot TEXT NOT NULL);
CREATE TABLE blobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    created INTEGER NOT NULL, used INTEGER NOT NULL, boot TEXT NOT NULL);
CREATE TABLE results (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, layer TEXT, record TEXT NOT NULL,
    sum TEXT NOT NULL, used INTEGER NOT NULL, boot TEXT NOT NULL);
CREATE TABLE traces (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, record TEXT NOT NULL,
    sum TEXT NOT NULL, used INTEGER NOT NULL, boot TEXT NOT NULL);
CREATE INDEX results_layer ON results (layer);
CREATE INDEX layers_boot ON layers (boot) WHERE boot <> '';
CREATE INDEX blobs_boot ON blobs (boot) WHERE boot <> '';
CREATE INDEX results_boot ON results (boot) WHERE boot <> '';
CREATE INDEX traces_boot ON traces (boot) WHERE boot <> '';
CREATE TABLE steps (
    definition TEXT NOT NULL, step TEXT NOT NULL, key TEXT NOT NULL, record TEXT NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (definition, step)) WITHOUT ROWID;
CREATE TABLE images (
    digest TEXT PRIMARY KEY, config TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE image_layers (
    image TEXT NOT NULL, position INTEGER NOT NULL, layer TEXT NOT NULL, size INTEGER NOT NULL, blob TEXT,
    PRIMARY KEY (image, position)) WITHOUT ROWID;
CREATE INDEX image_layers_layer ON image_layers (layer);
CREATE TABLE image_blobs (
    image TEXT NOT NULL, blob TEXT NOT NULL, PRIMARY KEY (image, blob)) WITHOUT ROWID;
CREATE INDEX image_blobs_blob ON image_blobs (blob);
CREATE TABLE names (name TEXT PRIMARY KEY, image TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX names_image ON names (image);
CREATE TABLE caches (
    directory TEXT PRIMARY KEY, id TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE stat_roots (id INTEGER PRIMARY KEY AUTOINCREMENT, root BLOB NOT NULL UNIQUE, used INTEGER NOT NULL);
CREATE TABLE stats (
    root INTEGER NOT NULL, path BLOB NOT NULL, dev INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL,
    PRIMARY KEY (root, path)) WITHOUT ROWID;

INSERT INTO layers (digest, size, created, boot) VALUES ('20d8bb8f8a1ac0a6a8e65d2ef1ff3cc5a2ca7f6f3f8e4f3f6f5c0fcf5a1ac0a6', 1536, 1, '');
INSERT INTO blobs (digest, size, created, used, boot) VALUES ('05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f', 8, 1, 1, ''), ('b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e343910', 6, 1, 1, '');
INSERT INTO results (key, layer, record, sum, used, boot) VALUES
    ('2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683', '20d8bb8f8a1ac0a6a8e65d2ef1ff3cc5a2ca7f6f3f8e4f3f6f5c0fcf5a1ac0a6',
     '{"layer":{"diff_id":"sha256:20d8bb8f8a1ac0a6a8e65d2ef1ff3cc5a2ca7f6f3f8e4f3f6f5c0fcf5a1ac0a6","size":1536},"parts":"{}","definition":"d","step":"s","created":1}',
     '2366da98e2c0b0db', 1, '');
INSERT INTO steps (definition, step, key, record, used) SELECT 'd', 's', key, record, 1 FROM results;
INSERT INTO traces (key, record, sum, used, boot) VALUES ('2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683', 'trace', '0d1e3d54d00ca350', 1, '');
INSERT INTO images (digest, config, created, used) VALUES ('05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f', 'b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e343910', 1, 1);
INSERT INTO image_layers (image, position, layer, size, blob) VALUES ('05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f', 0, '20d8bb8f8a1ac0a6a8e65d2ef1ff3cc5a2ca7f6f3f8e4f3f6f5c0fcf5a1ac0a6', 1536, NULL);
INSERT INTO image_blobs (image, blob) VALUES ('05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f', '05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f'), ('05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f', 'b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e343910');
INSERT INTO names (name, image) VALUES ('app:latest', '05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f');
INSERT INTO caches (directory, id, created, used) VALUES ('864a2a8463c9d595dd4dff4304e1e3be1bb44951fe55df19eddc70c451fb3ea2', 'wheels', 1, 1);
INSERT INTO stat_roots (id, root, used) VALUES (1, CAST('/context' AS BLOB), 1);
INSERT INTO stats (root, path, dev, ino, size, mtime_ns, ctime_ns, sha256) VALUES
    (1, CAST('file' AS BLOB), 1, 2, 3, 4, 5, '2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683');
PRAGMA application_id = 2004448360;
PRAGMA user_version = 1;
