-- The results database. Every table but `provenance` holds the same rows for
-- the same sweep, whatever the order of insertion: keys are content hashes.
--   key        128-bit identity of a point (technology excluded)
--   *_hash     128-bit hash of a resolved configuration part (see `config`)
--   network    digest of the network's files in hex, where numbers of the point come from them
--   *_rel_err  one sigma, relative; bound 'upper' marks an energy that is an upper bound
--   ord        position in the simulator's own order

CREATE TABLE config(
  hash BLOB NOT NULL CHECK(length(hash) = 16),
  part TEXT NOT NULL CHECK(part = 'arch' OR part = 'work' OR part = 'tech'),
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY(hash)) STRICT, WITHOUT ROWID;

-- Every resolved key of every configuration; value is INTEGER, REAL or TEXT.
CREATE TABLE setting(
  hash BLOB NOT NULL,
  key TEXT NOT NULL,
  value ANY,
  PRIMARY KEY(hash, key)) STRICT, WITHOUT ROWID;

CREATE TABLE point(
  key BLOB NOT NULL CHECK(length(key) = 16),
  arch_hash BLOB NOT NULL,
  work_hash BLOB NOT NULL,
  method TEXT NOT NULL CHECK(method IN ('exact', 'bound')),
  has_values INTEGER NOT NULL,
  model_version TEXT NOT NULL,
  arch TEXT NOT NULL,
  work TEXT NOT NULL,
  network TEXT,
  form TEXT,
  phase TEXT,
  seq INTEGER,
  work_tokens INTEGER,
  batch INTEGER,
  chunk INTEGER,
  engine_style TEXT,
  dataflow TEXT,
  rows INTEGER,
  cols INTEGER,
  units INTEGER,
  length INTEGER,
  peak_macs_per_cycle INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  soc_hz INTEGER NOT NULL,
  cycles INTEGER NOT NULL,
  macs INTEGER NOT NULL,
  macs_issued INTEGER NOT NULL,
  utilization REAL,
  time_ns REAL,
  tokens_per_s REAL,
  sqnr_db REAL,
  bits_per_byte REAL,
  float_bits_per_byte REAL,
  values_compared INTEGER,
  is_hypothetical INTEGER NOT NULL,
  hypothetical TEXT NOT NULL,
  PRIMARY KEY(key)) STRICT, WITHOUT ROWID;

CREATE INDEX point_job ON point(work, phase, seq);

CREATE TABLE price(
  key BLOB NOT NULL,
  tech_hash BLOB NOT NULL,
  tech TEXT NOT NULL,
  voltage REAL,
  area_um2 INTEGER NOT NULL,
  energy_fj INTEGER NOT NULL,
  energy_onchip_fj INTEGER NOT NULL,
  energy_offchip_fj INTEGER NOT NULL,
  energy_idle_fj INTEGER NOT NULL,
  energy_upper_fj INTEGER NOT NULL,
  energy_rel_err REAL,
  area_rel_err REAL,
  power_uw REAL,
  fmax_hz INTEGER NOT NULL,
  fmax_rel_err REAL,
  PRIMARY KEY(key, tech_hash)) STRICT, WITHOUT ROWID;

CREATE TABLE component(
  key BLOB NOT NULL,
  tech_hash BLOB NOT NULL,
  ord INTEGER NOT NULL,
  component TEXT NOT NULL,
  class TEXT NOT NULL,
  area_um2 INTEGER NOT NULL,
  area_rel_err REAL,
  energy_fj INTEGER NOT NULL,
  energy_rel_err REAL,
  path TEXT,
  path_fo4 REAL,
  path_rel_err REAL,
  fmax_hz INTEGER NOT NULL,
  fmax_rel_err REAL,
  PRIMARY KEY(key, tech_hash, ord)) STRICT, WITHOUT ROWID;

CREATE TABLE action(
  key BLOB NOT NULL,
  tech_hash BLOB NOT NULL,
  ord INTEGER NOT NULL,
  component TEXT NOT NULL,
  action TEXT NOT NULL,
  unit TEXT,
  kind TEXT NOT NULL CHECK(kind = 'onchip' OR kind = 'offchip' OR kind = 'idle'), -- IN builds a table a row
  priced INTEGER NOT NULL,
  count INTEGER NOT NULL,
  energy_fj INTEGER NOT NULL,
  rel_err REAL,
  bound TEXT CHECK(bound IS NULL OR bound = 'upper'),
  PRIMARY KEY(key, tech_hash, ord)) STRICT, WITHOUT ROWID;

CREATE TABLE note(
  key BLOB NOT NULL,
  tech_hash BLOB NOT NULL,
  ord INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY(key, tech_hash, ord)) STRICT, WITHOUT ROWID;

CREATE TABLE breakdown(
  key BLOB NOT NULL,
  ord INTEGER NOT NULL,
  cause TEXT NOT NULL,
  cycles INTEGER NOT NULL,
  PRIMARY KEY(key, ord)) STRICT, WITHOUT ROWID;

CREATE TABLE traffic(
  key BLOB NOT NULL,
  ord INTEGER NOT NULL,
  interface TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY(key, ord)) STRICT, WITHOUT ROWID;

CREATE TABLE layer(
  key BLOB NOT NULL,
  ord INTEGER NOT NULL,
  layer TEXT NOT NULL,
  layer_index INTEGER NOT NULL,
  cycles INTEGER NOT NULL,
  PRIMARY KEY(key, ord)) STRICT, WITHOUT ROWID;

CREATE TABLE home(
  key BLOB NOT NULL,
  ord INTEGER NOT NULL,
  tensor TEXT NOT NULL,
  home TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY(key, ord)) STRICT, WITHOUT ROWID;

-- What prices follow from: blocks with their parameters and counts, a line each.
CREATE TABLE counts(
  key BLOB NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY(key)) STRICT, WITHOUT ROWID;

-- Points that could not run, with the error's code and text.
CREATE TABLE failure(
  key BLOB NOT NULL CHECK(length(key) = 16),
  tech_hash BLOB NOT NULL,
  arch_hash BLOB NOT NULL,
  work_hash BLOB NOT NULL,
  method TEXT NOT NULL,
  has_values INTEGER NOT NULL,
  model_version TEXT NOT NULL,
  arch TEXT NOT NULL,
  work TEXT NOT NULL,
  tech TEXT NOT NULL,
  form TEXT,
  phase TEXT,
  seq INTEGER,
  chunk INTEGER,
  code INTEGER NOT NULL,
  message TEXT NOT NULL,
  PRIMARY KEY(key, tech_hash)) STRICT, WITHOUT ROWID;

-- One row per text of a sweep file; planned counts its points after constraints.
CREATE TABLE sweep(
  sweep TEXT NOT NULL,
  spec_hash BLOB NOT NULL,
  spec TEXT NOT NULL,
  planned INTEGER NOT NULL,
  PRIMARY KEY(sweep, spec_hash)) STRICT, WITHOUT ROWID;

CREATE TABLE sweep_point(
  sweep TEXT NOT NULL,
  key BLOB NOT NULL,
  tech_hash BLOB NOT NULL,
  PRIMARY KEY(sweep, key, tech_hash)) STRICT, WITHOUT ROWID;

-- Who computed what and how long it took; the only table that two runs of the
-- same sweep fill differently.
CREATE TABLE provenance(
  key BLOB NOT NULL,
  tech_hash BLOB NOT NULL,
  host TEXT NOT NULL,
  host_seconds REAL,
  method TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  started TEXT NOT NULL,
  version TEXT NOT NULL,
  PRIMARY KEY(key, tech_hash)) STRICT, WITHOUT ROWID;
