-- STATE_DIR/state.db as camdetect f971438 left it on a machine called raspberrypi, before NODE_ID had a suffix.
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE cameras (id TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE history (
        id INTEGER PRIMARY KEY, camera TEXT NOT NULL, at REAL NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
        code TEXT NOT NULL, address TEXT NOT NULL);
CREATE TABLE lives (id INTEGER PRIMARY KEY, began REAL NOT NULL, ended REAL NOT NULL);
CREATE TABLE outbox (
        id INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
        retain INTEGER NOT NULL, priority INTEGER NOT NULL, expires_after REAL, queued_at REAL NOT NULL);
CREATE TABLE pairs (
        kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key));
INSERT INTO "pairs" VALUES('salt','login_budget','7a8906b28230168a40de33f43060b452');
INSERT INTO "pairs" VALUES('session','last','1');
CREATE TABLE retained (
        topic TEXT PRIMARY KEY, payload BLOB NOT NULL, qos INTEGER NOT NULL, retain INTEGER NOT NULL,
        priority INTEGER NOT NULL, expires_after REAL);
CREATE INDEX history_camera ON history (camera);
COMMIT;
