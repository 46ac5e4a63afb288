-- Views that answer the usual questions. Energies that end in _nj, _uj are
-- doubles for reading; the exact integers are the _fj columns.

CREATE VIEW v_points AS
SELECT lower(hex(p.key)) AS id, p.arch, p.work, p.form, p.phase, p.seq, p.work_tokens, p.batch,
  p.chunk, p.engine_style, p.dataflow, p.rows, p.cols, p.units, p.length,
  CASE p.engine_style WHEN 'dot_product' THEN p.units || 'x' || p.length
    ELSE p.rows || 'x' || p.cols END AS array,
  p.peak_macs_per_cycle, p.cycles, p.tokens, p.time_ns / 1e6 AS time_ms,
  p.time_ns / 1e3 / max(p.tokens, 1) AS us_per_token, p.tokens_per_s, p.macs, p.macs_issued,
  p.utilization, x.energy_fj, x.energy_onchip_fj, x.energy_offchip_fj, x.energy_idle_fj,
  x.energy_fj / 1e9 AS energy_uj, x.energy_fj / 1e6 / max(p.tokens, 1) AS nj_per_token,
  x.energy_upper_fj, x.energy_rel_err, x.power_uw, x.area_um2, x.area_um2 / 1e6 AS area_mm2,
  x.area_rel_err, p.soc_hz, x.fmax_hz, x.fmax_rel_err,
  p.has_values, p.values_compared, p.sqnr_db, p.bits_per_byte, p.float_bits_per_byte,
  p.network, p.method, p.model_version, p.is_hypothetical, p.hypothetical, x.tech, x.voltage,
  p.key, p.arch_hash, p.work_hash, x.tech_hash
FROM point p JOIN price x ON x.key = p.key;

CREATE VIEW v_latency AS
SELECT work, arch, array, phase, form, chunk, seq, batch, cycles, time_ms, us_per_token,
  tokens_per_s, utilization, method, key, arch_hash, work_hash, tech_hash
FROM v_points;

-- A job is what has to be computed; how (form, chunk, array) is the designer's choice.
CREATE VIEW v_pareto AS
SELECT a.* FROM v_points a WHERE NOT EXISTS (
  SELECT 1 FROM v_points b
  WHERE b.work = a.work AND b.phase IS a.phase AND b.seq IS a.seq
    AND b.work_tokens IS a.work_tokens AND b.batch IS a.batch AND b.method = a.method
    AND b.model_version = a.model_version AND b.tech = a.tech
    AND b.time_ms <= a.time_ms AND b.energy_fj <= a.energy_fj AND b.area_um2 <= a.area_um2
    AND (b.time_ms < a.time_ms OR b.energy_fj < a.energy_fj OR b.area_um2 < a.area_um2));

CREATE VIEW v_best_per_seq AS
SELECT * FROM (
  SELECT *, row_number() OVER (
    PARTITION BY work, phase, seq, work_tokens, batch, method, model_version, tech
    ORDER BY time_ms, energy_fj, area_um2, key) AS place
  FROM v_points) WHERE place = 1;

CREATE VIEW v_breakdown AS
SELECT p.work, p.arch, p.phase, p.form, p.chunk, p.seq, b.ord, b.cause, b.cycles,
  100.0 * b.cycles / max(p.cycles, 1) AS percent, p.engine_style, p.rows, p.cols, p.units, p.length,
  p.method, p.key, p.arch_hash
FROM point p JOIN breakdown b ON b.key = p.key;

CREATE VIEW v_energy AS
SELECT p.work, p.arch, p.array, p.phase, p.form, p.chunk, p.seq, a.ord, a.component, a.action,
  a.unit, a.kind, a.bound, a.priced, a.count, a.energy_fj, a.rel_err,
  100.0 * a.energy_fj / max(p.energy_fj, 1) AS percent,
  p.tech, p.key, p.arch_hash, p.tech_hash
FROM v_points p JOIN action a ON a.key = p.key AND a.tech_hash = p.tech_hash;

CREATE VIEW v_component AS
SELECT p.work, p.arch, p.array, p.engine_style, p.dataflow, p.phase, p.form, p.chunk, p.seq, c.ord,
  c.component, c.class, c.area_um2, c.area_rel_err, c.energy_fj, c.energy_rel_err, c.path, c.path_fo4,
  c.path_rel_err, c.fmax_hz, c.fmax_rel_err,
  100.0 * c.area_um2 / max(p.area_um2, 1) AS area_percent,
  100.0 * c.energy_fj / max(p.energy_fj, 1) AS energy_percent, p.tech, p.key, p.arch_hash, p.tech_hash
FROM v_points p JOIN component c ON c.key = p.key AND c.tech_hash = p.tech_hash;

-- For each job and architecture: the fastest stored point of each form.
CREATE VIEW v_form AS
SELECT * FROM (
  SELECT work, arch, array, phase, seq, work_tokens, batch, form, chunk, cycles, time_ms,
    us_per_token, nj_per_token, method, model_version, key, arch_hash, tech_hash, row_number() OVER (
      PARTITION BY work, arch_hash, phase, seq, work_tokens, batch, method, model_version, tech_hash, form
      ORDER BY cycles, key) AS place
  FROM v_points WHERE form IS NOT NULL) WHERE place = 1;

CREATE VIEW v_setting AS
SELECT lower(hex(p.key)) AS id, c.part, s.key AS setting, s.value, p.key
FROM point p JOIN config c ON c.hash IN (p.arch_hash, p.work_hash) JOIN setting s ON s.hash = c.hash;

CREATE VIEW v_sweep AS
SELECT s.sweep,
  (SELECT max(planned) FROM sweep w WHERE w.sweep = s.sweep) AS planned,
  count(x.key) AS stored, count(f.key) AS failed, round(sum(r.host_seconds), 3) AS host_seconds,
  min(r.started) AS first_started, max(r.started) AS last_started
FROM (SELECT sweep FROM sweep UNION SELECT sweep FROM sweep_point) s
LEFT JOIN sweep_point sp ON sp.sweep = s.sweep
LEFT JOIN price x ON x.key = sp.key AND x.tech_hash = sp.tech_hash
LEFT JOIN failure f ON f.key = sp.key AND f.tech_hash = sp.tech_hash
LEFT JOIN provenance r ON r.key = sp.key AND r.tech_hash = sp.tech_hash
GROUP BY s.sweep;
