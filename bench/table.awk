# SPDX-License-Identifier: Apache-2.0
# Functions of the scripts that compare: value[row, daemon, column, round] are the measurements, rounds is how many there are.
function short(x) { return x >= 10000 ? sprintf("%.0fk", x / 1000) : x >= 1000 ? sprintf("%.1fk", x / 1000) : sprintf("%.0f", x) }
function brief(x) { return x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x) }
# Orders v[1..n]; its median.
function median(n,   i, k, t) {
	for (i = 2; i <= n; i++)
		for (k = i; k > 1 && v[k] < v[k - 1]; k--) { t = v[k]; v[k] = v[k - 1]; v[k - 1] = t }
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}
# Median over the rounds; leaves them in order in v.
function of(row, daemon, column,   i) {
	for (i = 1; i <= rounds; i++) v[i] = value[row, daemon, column, i] + 0
	return median(rounds)
}
# Median of the rounds' ratios of one daemon to another.
function ratio(row, column, daemon, peer,   i) {
	for (i = 1; i <= rounds; i++)
		v[i] = value[row, daemon, column, i] / (value[row, peer, column, i] + 1e-9)
	return median(rounds)
}
# Median, least and greatest.
function rate(row, daemon, column,   m) {
	m = of(row, daemon, column)
	return sprintf("%s (%s to %s)", short(m), short(v[1]), short(v[rounds]))
}
# The same for what is not a rate.
function spread(row, daemon, column,   m) {
	m = of(row, daemon, column)
	return sprintf("%s (%s to %s)", brief(m), brief(v[1]), brief(v[rounds]))
}
# Median of the rounds' ratios of two columns of one daemon.
function against(row, daemon, column, other,   i) {
	for (i = 1; i <= rounds; i++)
		v[i] = value[row, daemon, column, i] / (value[row, daemon, other, i] + 1e-9)
	return median(rounds)
}
