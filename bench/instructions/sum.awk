# SPDX-License-Identifier: Apache-2.0
# sum.awk -v ours=DIR/ DUMP: of a file that callgrind wrote, the instructions of objects below DIR and those of all others. Names are
# given in full where they come first, "(7) /lib/x.so", and by their number from then on; what a call took, on the line behind "calls=",
# is counted where it was spent.
function object(text,   id) {
	if (!match(text, /^\([0-9]+\)/))
		return text
	id = substr(text, 1, RLENGTH)
	if (length(text) > RLENGTH)
		name[id] = substr(text, RLENGTH + 2)
	return name[id]
}
/^ob=/ { current = object(substr($0, 4)); next }
/^cob=/ { object(substr($0, 5)); next }
/^calls=/ { call = 1; next }
/^[-+*0-9]/ {
	if (!call)
		sum[index(current, ours) == 1] += $2
	call = 0
}
END { printf "%d %d\n", sum[1], sum[0] }
