/* The canned queries. Each is plain SQL on the views: `retsim query DB
 * "SELECT ..."` goes on from there. */
#include "results/query.h"

#define JOB "work, arch, array, phase, form, chunk, seq"
#define JOB_ORDER " ORDER BY work, arch, varied, arch_hash, phase, seq, form, chunk, tech_hash, key"
/* Settings that no column shows. */
#define VARIED ", varied(key) AS varied"
#define VARIED_OF(p) ", varied(" p ".key) AS varied"
#define VARIED_OF_ARCH ", varied(key, 'work.') AS varied"

/* What has to be the same for forms of retention to be comparable. */
#define POINT_JOB "work, arch_hash, phase, seq, work_tokens, batch, method, model_version, tech_hash"
#define SAME_JOB(o) \
    o ".work = b.work AND " o ".arch_hash = b.arch_hash AND " o ".phase IS b.phase AND " o ".seq = b.seq" \
    " AND " o ".work_tokens IS b.work_tokens AND " o ".batch IS b.batch AND " o ".method = b.method" \
    " AND " o ".model_version = b.model_version AND " o ".tech_hash = b.tech_hash"

/* With v_setting in the query, grouped by key. */
#define WIDTHS \
    ", max(CASE setting WHEN 'work.quant.weights' THEN value END) AS weights," \
    " max(CASE setting WHEN 'work.quant.activations' THEN value END) AS activations," \
    " max(CASE setting WHEN 'arch.retention.state_bits' THEN value END) AS state_bits"

#define VARIED_BUT_WIDTHS \
    ", varied(key, 'work.quant.weights', 'work.quant.activations', 'arch.retention.state_bits') AS varied"

/* Of a component's counts of one action, those that another action counts. */
#define COUNT_OF(action, component) \
    "(SELECT count FROM action a WHERE a.key = p.key AND a.tech_hash = p.tech_hash AND a.component = '" \
    component "' AND a.action = '" action "')"
#define PER_CENT(part, whole, component) \
    "100.0 * " COUNT_OF(part, component) " / " COUNT_OF(whole, component)

/* Square of the difference against the squares of both errors. */
#define SQUARE(x) "(" x ") * (" x ")"
#define TIE_WITH(f) \
    SQUARE("energy_uj - " f "(energy_uj) OVER job") " <= " SQUARE("energy_uj * energy_rel_err") " + " \
    SQUARE(f "(energy_uj * energy_rel_err) OVER job")

const struct canned canned_queries[] = {
    {.name = "points", .doc = "one row per point: configuration, time, energy, area",
     .sql = "SELECT id, " JOB ", cycles, time_ms, us_per_token, tokens_per_s, utilization, energy_uj,"
     " energy_onchip_fj / 1e9 AS onchip_uj, energy_offchip_fj / 1e9 AS offchip_uj,"
     " energy_idle_fj / 1e9 AS idle_uj, energy_rel_err, nj_per_token, power_uw, area_mm2, area_rel_err,"
     " voltage, soc_hz / 1e6 AS soc_mhz, fmax_hz / 1e6 AS fmax_mhz, sqnr_db, method, hypothetical, tech"
     VARIED " FROM v_points" JOB_ORDER,
     .spare = "onchip_uj offchip_uj idle_uj soc_mhz fmax_mhz power_uw area_rel_err energy_rel_err"
     " tokens_per_s us_per_token nj_per_token sqnr_db method hypothetical tech utilization voltage time_ms"
     " id"},
    {.name = "latency", .doc = "cycles, time and rate of each point",
     .sql = "SELECT " JOB ", cycles, time_ms, us_per_token, tokens_per_s, utilization, method"
     VARIED " FROM v_latency" JOB_ORDER, .spare = "method us_per_token utilization tokens_per_s"},
    {.name = "best", .doc = "the fastest point for each network, phase and sequence length",
     .sql = "SELECT work, phase, seq, batch, arch, array, form, chunk, cycles, time_ms, us_per_token,"
     " energy_uj, area_mm2, utilization" VARIED " FROM v_best_per_seq"
     " ORDER BY work, phase, seq, batch, tech_hash",
     .spare = "us_per_token utilization batch"},
    {.name = "quality",
     .doc = "bits per byte and SQNR beside cycles, energy and area, best first (points with quality)",
     .sql = "SELECT " JOB WIDTHS ", sqnr_db, bits_per_byte,"
     " bits_per_byte - float_bits_per_byte AS over_float, cycles, nj_per_token, area_mm2" VARIED_BUT_WIDTHS
     " FROM v_points JOIN v_setting USING (key) WHERE sqnr_db IS NOT NULL GROUP BY key, tech_hash"
     " ORDER BY work, phase, seq, bits_per_byte, nj_per_token, key",
     .spare = "area_mm2 sqnr_db bits_per_byte nj_per_token chunk"},
    {.name = "values", .doc = "what execution on bytes compared and measured (points with values)",
     .sql = "SELECT " JOB WIDTHS ", cycles, values_compared, sqnr_db, bits_per_byte,"
     " bits_per_byte - float_bits_per_byte AS over_float, " PER_CENT("zero_operand", "operation", "engine")
     " AS engine_zero_percent, " PER_CENT("toggle", "operand_bit", "engine") " AS engine_toggle_percent, "
     PER_CENT("toggle", "operand_bit", "tcdm") " AS tcdm_toggle_percent"
     VARIED_BUT_WIDTHS " FROM v_points p JOIN v_setting USING (key) WHERE has_values"
     " GROUP BY key, tech_hash ORDER BY work, arch, varied, phase, seq, form, chunk,"
     " weights + 0 DESC, activations + 0 DESC, state_bits + 0 DESC, arch_hash, tech_hash, key",
     .spare = "bits_per_byte sqnr_db tcdm_toggle_percent cycles engine_zero_percent engine_toggle_percent"
     " over_float chunk"},
    {.name = "pareto",
     .doc = "points that no other beats in every objective (--objectives time,energy,area)"},
    {.name = "ranking", .doc = "points of each job by energy; a tie is a difference inside the error bars",
     .sql = "SELECT work, phase, seq, batch, arch, array, form, chunk, voltage,"
     " soc_hz / 1e6 AS soc_mhz, CASE WHEN soc_hz > fmax_hz THEN 'above limit' END AS clock,"
     " row_number() OVER job AS place,"
     " energy_uj, energy_rel_err, energy_onchip_fj / 1e9 AS onchip_uj, energy_offchip_fj / 1e9 AS offchip_uj,"
     " energy_idle_fj / 1e9 AS idle_uj, energy_uj / first_value(energy_uj) OVER job AS times_best,"
     " CASE WHEN row_number() OVER job > 1 AND " TIE_WITH("lag") " THEN 'tie' END AS tie_with_before,"
     " CASE WHEN row_number() OVER job > 1 AND " TIE_WITH("first_value") " THEN 'tie' END AS tie_with_best,"
     " varied(key) AS varied, tech, id FROM v_points"
     " WINDOW job AS (PARTITION BY work, phase, seq, work_tokens, batch, method,"
     " model_version, tech ORDER BY energy_fj, key)"
     " ORDER BY work, phase, seq, work_tokens, batch, method, model_version, tech, place",
     .spare = "onchip_uj offchip_uj idle_uj clock soc_mhz tech voltage tie_with_before batch energy_rel_err"
     " times_best id"},
    {.name = "breakdown", .doc = "where the cycles of each point go",
     .sql = "SELECT work, arch, phase, form, chunk, seq, cause, cycles, percent" VARIED " FROM v_breakdown"
     " ORDER BY work, arch, varied, arch_hash, phase, seq, form, chunk, key, ord"},
    {.name = "energy", .doc = "energy of each component and kind, summed over its actions",
     .sql = "SELECT " JOB ", component, kind, max(bound) AS bound, sum(energy_fj) / 1e6 AS energy_nj,"
     " sum(energy_fj * rel_err) / max(sum(energy_fj), 1) AS rel_err, sum(percent) AS percent, tech" VARIED
     " FROM v_energy GROUP BY key, tech_hash, component, kind"
     " ORDER BY work, arch, varied, arch_hash, phase, seq, form, chunk, tech_hash, key, min(ord)",
     .spare = "tech bound rel_err"},
    {.name = "actions", .doc = "counts and energy of each action of each component",
     .sql = "SELECT " JOB ", component, action, kind, bound, count, unit, priced, energy_fj, rel_err, tech"
     VARIED " FROM v_energy"
     " ORDER BY work, arch, varied, arch_hash, phase, seq, form, chunk, tech_hash, key, ord",
     .spare = "tech priced unit bound rel_err kind"},
    {.name = "sensitivity",
     .doc = "how far energy, area and fmax move when one coefficient changes by 20 % (--tech FILE)"},
    {.name = "ert", .doc = "energy reference table of Accelergy, YAML (--tech FILE)"},
    {.name = "art", .doc = "area reference table of Accelergy, YAML (--tech FILE)"},
    {.name = "area", .doc = "area of each component, once per architecture",
     .sql = "SELECT arch, array, component, class, max(area_um2) AS area_um2, max(area_rel_err) AS rel_err,"
     " max(area_percent) AS percent, tech" VARIED_OF_ARCH
     " FROM v_component GROUP BY arch_hash, tech_hash, ord, component"
     " ORDER BY arch, varied, arch_hash, tech_hash, ord"},
    {.name = "power", .doc = "power of each point by on-chip, off-chip and idle energy over its time",
     .sql = "SELECT " JOB ", power_uw / 1e3 AS power_mw, energy_onchip_fj / time_ms / 1e9 AS onchip_mw,"
     " energy_offchip_fj / time_ms / 1e9 AS offchip_mw, energy_idle_fj / time_ms / 1e9 AS idle_mw,"
     " energy_upper_fj / time_ms / 1e9 AS upper_bound_mw, energy_rel_err AS rel_err, tech"
     VARIED " FROM v_points" JOB_ORDER, .spare = "tech rel_err upper_bound_mw"},
    {.name = "clock", .doc = "longest path and clock of each component, once per architecture",
     .sql = "SELECT arch, array, component, path, path_fo4, path_rel_err, max(fmax_hz) / 1e6 AS fmax_mhz,"
     " fmax_rel_err AS rel_err, tech" VARIED_OF_ARCH " FROM v_component WHERE path IS NOT NULL"
     " GROUP BY arch_hash, tech_hash, ord ORDER BY arch, varied, arch_hash, tech_hash, fmax_hz, ord"},
    {.name = "layers", .doc = "cycles of each layer",
     .sql = "SELECT p.work, p.arch, p.phase, p.form, p.chunk, p.seq, l.layer_index, l.layer, l.cycles,"
     " 100.0 * l.cycles / max(p.cycles, 1) AS percent" VARIED_OF("p")
     " FROM point p JOIN layer l ON l.key = p.key"
     " ORDER BY p.work, p.arch, varied, p.arch_hash, p.phase, p.seq, p.form, p.chunk, p.key, l.ord"},
    {.name = "traffic", .doc = "bytes over each interface, and spilled bytes",
     .sql = "SELECT p.work, p.arch, p.phase, p.form, p.chunk, p.seq, t.interface, t.bytes,"
     " 1.0 * t.bytes / max(p.tokens, 1) AS bytes_per_token" VARIED_OF("p")
     " FROM point p JOIN traffic t ON t.key = p.key"
     " ORDER BY p.work, p.arch, varied, p.arch_hash, p.phase, p.seq, p.form, p.chunk, p.key, t.ord",
     .spare = "bytes_per_token"},
    {.name = "homes", .doc = "where weights, activations and states live",
     .sql = "SELECT p.work, p.arch, p.phase, p.form, p.chunk, p.seq, h.tensor, h.home, h.bytes" VARIED_OF("p")
     " FROM point p JOIN home h ON h.key = p.key"
     " ORDER BY p.work, p.arch, varied, p.arch_hash, p.phase, p.seq, p.form, p.chunk, p.key, h.ord"},
    {.name = "crossover", .doc = "fastest form at each sequence length, its lead, and where it changes",
     .sql = /* A form stays the best as long as no other one is faster; several may be the best together. */
     "WITH f AS (SELECT *, min(cycles) OVER job AS least FROM v_form"
     "  WINDOW job AS (PARTITION BY " POINT_JOB ")),"
     " best AS (SELECT *, group_concat(form, ' = ') AS forms, max(chunk) AS best_chunk"
     "  FROM (SELECT * FROM f WHERE cycles = least ORDER BY form) GROUP BY " POINT_JOB "),"
     " later AS (SELECT *, row_number() OVER job AS later_place FROM f WHERE cycles > least"
     "  WINDOW job AS (PARTITION BY " POINT_JOB " ORDER BY cycles, form)),"
     " lined AS (SELECT *, lag(forms) OVER line AS before, lag(seq) OVER line AS before_seq FROM best"
     "  WINDOW line AS (PARTITION BY work, arch_hash, phase, work_tokens, batch, method, model_version,"
     "   tech_hash ORDER BY seq))"
     " SELECT b.work, b.arch, b.array, b.phase, b.seq, b.forms AS best, b.best_chunk AS chunk, b.cycles,"
     "  b.time_ms, l.form AS second, 1.0 * l.cycles / max(b.cycles, 1) AS times_faster,"
     "  CASE WHEN before IS NOT NULL AND NOT EXISTS (SELECT 1 FROM f o WHERE o.cycles = o.least"
     "    AND instr(' ' || before || ' ', ' ' || o.form || ' ') AND (" SAME_JOB("o") "))"
     "  THEN before || ' -> ' || forms || ' between ' || before_seq || ' and ' || b.seq END AS crossover"
     VARIED_OF("b")
     " FROM lined b LEFT JOIN later l ON l.later_place = 1 AND (" SAME_JOB("l") ")"
     " ORDER BY b.work, b.arch, b.arch_hash, b.phase, b.seq, b.batch, b.work_tokens, b.tech_hash",
     .spare = "time_ms array cycles"},
    {.name = "failures", .doc = "points that could not run, and why",
     .sql = "SELECT work, arch, phase, form, chunk, seq" VARIED ", code, message FROM failure"
     " ORDER BY work, arch, varied, arch_hash, phase, seq, form, chunk, key, tech_hash"},
    {.name = "notes", .doc = "warnings and decisions of each point",
     .sql = "SELECT " JOB VARIED_OF("p") ", n.text AS note FROM v_points p JOIN note n ON n.key = p.key"
     " AND n.tech_hash = p.tech_hash"
     " ORDER BY work, arch, varied, arch_hash, phase, seq, form, chunk, p.key, n.ord"},
    {.name = "sweeps", .doc = "sweeps: points planned, stored and failed, host time",
     .sql = "SELECT * FROM v_sweep ORDER BY sweep"},
    {.name = "settings", .doc = "keys with more than one value among the stored points, and their values",
     .sql = "SELECT part, setting, count(*) AS n_values, group_concat(value, ' ') AS value_list FROM"
     " (SELECT DISTINCT part, setting, value FROM v_setting ORDER BY part, setting, value)"
     " GROUP BY part, setting HAVING count(*) > 1 ORDER BY part, setting"},
    {.name = "provenance", .doc = "where and when each point ran, and for how long",
     .sql = "SELECT lower(hex(r.key)) AS id, p.work, p.arch, p.phase, p.form, p.seq, r.host, r.host_seconds,"
     " r.method, r.attempts, r.started, r.version FROM provenance r LEFT JOIN point p ON p.key = r.key"
     " ORDER BY r.started, r.key, r.tech_hash"},
    {.name = NULL},
};
