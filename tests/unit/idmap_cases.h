/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of an id map in virtiofsd's syntax, what they do, and where virtiofsd 1.14 takes what is refused here. */
#ifndef GRAFT_TESTS_IDMAP_CASES_H
#define GRAFT_TESTS_IDMAP_CASES_H

struct idmap_case {
	const char *rules[4]; /* one after the other */
	const char
		*ids; /* "g5=7 h7=5 g9=no": what a guest's id is on the host, a host's for the guest; NULL: refused */
	const char *error;   /* a part of the message */
	const char *differs; /* why virtiofsd says the contrary, NULL where it agrees */
};

#define R(...)                                                                                                         \
	{                                                                                                              \
		__VA_ARGS__                                                                                            \
	}
#define WRAPS "FIX: there it wraps around in silence"
#define LETTER "a letter beyond ASCII belongs to the type there, and here to nothing: it separates"

static const struct idmap_case idmap_cases[] = {
	/* each type */
	{ R("guest:1000:101000:10"), "g999=999 g1000=101000 g1009=101009 g1010=1010 h101000=101000 h1000=1000", 0, 0 },
	{ R("host:101000:1000:10"), "h100999=100999 h101000=1000 h101009=1009 h101010=101010 g1000=1000", 0, 0 },
	{ R("squash-guest:5:99:3"), "g4=4 g5=99 g6=99 g7=99 g8=8 h99=99 h5=5", 0, 0 },
	{ R("squash-host:5:99:3"), "h4=4 h5=99 h6=99 h7=99 h8=8 g99=99 g5=5", 0, 0 },
	{ R("map:0:100000:65536"),
	  "g0=100000 g65535=165535 g65536=65536 h100000=0 h165535=65535 h99999=99999 h165536=165536", 0, 0 },
	{ R("forbid-guest:10:5"), "g9=9 g10=no g14=no g15=15 h10=10", 0, 0 },
	/* case, separators, signs, zeros */
	{ R("MAP:1:2:3"), "g1=2", 0, 0 },
	{ R("Squash-Guest:1:2:3"), "g3=2", 0, 0 },
	{ R("FORBID-guest:1:2"), "g2=no", 0, 0 },
	{ R("hOsT:1:2:3"), "h3=4", 0, 0 },
	{ R("map/1/2/3"), "g1=2", 0, 0 },
	{ R("map,1,2,3"), "g1=2", 0, 0 },
	{ R("map 1 2 3"), "g1=2", 0, 0 },
	{ R("map+1+2+3"), "g1=2", 0, 0 },
	{ R("map=1=2=3"), "g1=2", 0, 0 },
	{ R("map.1.2.3"), "g1=2", 0, 0 },
	{ R("map\t1\t2\t3"), "g1=2", 0, 0 },
	{ R("map:+1:+2:+3"), "g1=2", 0, 0 },
	{ R("map:0001:002:03"), "g1=2 g3=4", 0, 0 },
	{ R("map\xe2\x86\x92"
	    "1\xe2\x86\x92"
	    "2\xe2\x86\x92"
	    "3"),
	  "g1=2", 0, 0 },
	{ R("map\xc2\xa7"
	    "1\xc2\xa7"
	    "2\xc2\xa7"
	    "3"),
	  "g1=2", 0, 0 },
	{ R("map\xf0\x9f\x99\x82"
	    "1\xf0\x9f\x99\x82"
	    "2\xf0\x9f\x99\x82"
	    "3"),
	  "g1=2", 0, 0 },
	{ R("map\xc3\xa9"
	    "1\xc3\xa9"
	    "2\xc3\xa9"
	    "3"),
	  "g1=2", 0, LETTER },
	/* edges */
	{ R("guest:0:0:4294967295"), "g0=0 g4294967294=4294967294 g4294967295=4294967295", 0, 0 },
	{ R("map:0:0:4294967295"), "g7=7 h4294967294=4294967294 h4294967295=4294967295", 0, 0 },
	{ R("guest:4294967294:1:1"), "g4294967294=1 g4294967293=4294967293", 0, 0 },
	{ R("guest:1:4294967294:1"), "g1=4294967294", 0, 0 },
	{ R("guest:0:4294967290:5"), "g4=4294967294 g5=5", 0, 0 },
	{ R("squash-guest:0:65534:4294967295"), "g0=65534 g4294967294=65534 g4294967295=4294967295", 0, 0 },
	{ R("squash-host:0:0:4294967295"), "h5=0 h4294967294=0 h4294967295=4294967295", 0, 0 },
	{ R("squash-guest:0:4294967294:10"), "g9=4294967294", 0, 0 },
	{ R("forbid-guest:0:4294967295"), "g0=no g4294967294=no g4294967295=4294967295 h0=0", 0, 0 },
	{ R("forbid-guest:4294967290:5"), "g4294967289=4294967289 g4294967290=no g4294967294=no", 0, 0 },
	/* a count of nothing does nothing */
	{ R("map:5:6:0"), "g5=5 h6=6", 0, 0 },
	{ R("guest:4294967295:0:0"), "g4294967295=4294967295", 0, 0 },
	{ R("guest:0:4294967295:0"), "g0=0", 0, 0 },
	{ R("forbid-guest:5:0"), "g5=5", 0, 0 },
	{ R("map:0:1:5", "guest:3:9:0"), "g3=4", 0, 0 },
	{ R("guest:3:9:0", "guest:3:9:0", "map:0:1:5"), "g3=4", 0, 0 },
	/* several: any order, each direction for itself */
	{ R("guest:0:100:10", "host:100:0:10"), "g5=105 h105=5 h5=5", 0, 0 },
	{ R("guest:0:100:10", "host:200:0:10"), "g5=105 h205=5 h105=105", 0, 0 },
	{ R("guest:10:1:10", "guest:0:101:10"), "g0=101 g9=110 g10=1 g19=10 g20=20", 0, 0 },
	{ R("guest:20:1:5", "guest:0:2:5", "guest:10:3:5"), "g0=2 g5=5 g10=3 g14=7 g15=15 g24=5", 0, 0 },
	{ R("forbid-guest:0:1", "map:1:100001:65535"), "g0=no g1=100001 h100001=1 h0=0", 0, 0 },
	{ R("map:1000:1:1", "squash-guest:0:65534:1000", "squash-guest:1001:65534:100"),
	  "g0=65534 g999=65534 g1000=1 g1100=65534 g1101=1101 h1=1000 h65534=65534", 0, 0 },
	{ R("guest:0:7:1", "guest:1:7:1"), "g0=7 g1=7", 0, 0 },
	{ R("map:0:7:1", "guest:1:7:1"), "g0=7 g1=7 h7=0", 0, 0 },
	{ R("squash-host:0:5:10", "guest:0:5:10"), "h9=5 g9=14", 0, 0 },
	/* what has a rule already */
	{ R("map:0:1:5", "guest:3:9:1"), 0, "guest ids 3 to 3 have a rule already", 0 },
	{ R("guest:5:0:1", "map:5:0:1"), 0, "guest ids 5 to 5", 0 },
	{ R("guest:0:100:10", "guest:9:200:10"), 0, "guest ids 9 to 9", 0 },
	{ R("guest:5:100:10", "guest:0:200:100"), 0, "guest ids 5 to 14", 0 },
	{ R("guest:0:100:100", "forbid-guest:20:3"), 0, "guest ids 20 to 22", 0 },
	{ R("forbid-guest:20:3", "squash-guest:22:3:1"), 0, "guest ids 22 to 22", 0 },
	{ R("squash-guest:0:1:10", "squash-guest:0:1:10"), 0, "guest ids 0 to 9", 0 },
	{ R("host:5:0:5", "squash-host:9:0:5"), 0, "host ids 9 to 9", 0 },
	{ R("map:0:5:5", "map:100:9:5"), 0, "host ids 9 to 9", 0 },
	{ R("squash-host:0:65534:4294967295", "host:0:0:1"), 0, "host ids 0 to 0", 0 },
	{ R("guest:0:0:5", "guest:10:0:5", "guest:4:0:7"), 0, "guest ids 4 to 4", 0 },
	/* beyond the last id */
	{ R("guest:1:0:4294967295"), 0, "4294967295 guest ids from 1 on go beyond 4294967294", 0 },
	{ R("guest:4294967295:0:1"), 0, "1 guest ids from 4294967295 on go beyond", 0 },
	{ R("host:4294967290:0:6"), 0, "6 host ids from 4294967290 on go beyond", 0 },
	{ R("map:4294967290:0:6"), 0, "6 guest ids from 4294967290", 0 },
	{ R("map:0:4294967290:6"), 0, "6 host ids from 4294967290", 0 },
	{ R("squash-guest:2:0:4294967294"), 0, "4294967294 guest ids from 2", 0 },
	{ R("squash-host:4294967295:0:4294967295"), 0, "host ids from 4294967295", 0 },
	{ R("guest:0:4294967290:6"), 0, "6 host ids from 4294967290 on go beyond 4294967294", WRAPS },
	{ R("host:0:4294967295:1"), 0, "1 guest ids from 4294967295 on go beyond", WRAPS },
	{ R("forbid-guest:4294967290:10"), 0, "10 guest ids from 4294967290 on go beyond", WRAPS },
	{ R("forbid-guest:4294967295:1"), 0, "1 guest ids from 4294967295 on go beyond", WRAPS },
	{ R("squash-guest:0:4294967295:10"), 0, "4294967295 is no host id",
	  "FIX: there a chown to it changes nothing" },
	{ R("squash-host:0:4294967295:10"), 0, "4294967295 is no guest id", "FIX: there the guest is shown no id" },
	/* types */
	{ R(""), 0, "'' is no type of rule; there are guest, host, squash-guest", 0 },
	{ R("map"), 0, "map:GUEST:HOST:COUNT wants 3 numbers, not 0", 0 },
	{ R(":1:2:3"), 0, "'' is no type", 0 },
	{ R("mapp:1:2:3"), 0, "'mapp' is no type", 0 },
	{ R("ma:1:2:3"), 0, "'ma' is no type", 0 },
	{ R("1:2:3"), 0, "'1' is no type", 0 },
	{ R(" map:1:2:3"), 0, "'' is no type", 0 },
	{ R("map1:2:3"), 0, "'map1' is no type", 0 },
	{ R("squash_guest:1:2:3"), 0, "'squash_guest' is no type", 0 },
	{ R("forbid-host:1:2"), 0, "'forbid-host' is no type", 0 },
	{ R("forbid:1:2"), 0, "'forbid' is no type", 0 },
	/* numbers */
	{ R("map:"), 0, "map:GUEST:HOST:COUNT: '' is no decimal number from 0 to 4294967295", 0 },
	{ R("map:1"), 0, "wants 3 numbers, not 1", 0 },
	{ R("map:1:2"), 0, "wants 3 numbers, not 2", 0 },
	{ R("map:1:2:3:4"), 0, "wants 3 numbers, not more than 3", 0 },
	{ R("map:1:2:3:4:5:6"), 0, "wants 3 numbers, not more than 3", 0 },
	{ R("forbid-guest:1:2:3"), 0, "forbid-guest:GUEST:COUNT wants 2 numbers, not 3", 0 },
	{ R("forbid-guest:1"), 0, "wants 2 numbers, not 1", 0 },
	{ R("squash-host:1:2"), 0, "squash-host:HOST:GUEST:COUNT wants 3 numbers", 0 },
	{ R("map:1:2:3:"), 0, "'' is no decimal number", 0 },
	{ R("map:1:2:"), 0, "'' is no decimal number", 0 },
	{ R("map::1:2:3"), 0, "'' is no decimal number", 0 },
	{ R("map: 1:2:3"), 0, "' 1' is no decimal number", 0 },
	{ R("map:1:2:3 "), 0, "'3 ' is no decimal number", 0 },
	{ R("map:1/2/3"), 0, "'1/2/3' is no decimal number", 0 },
	{ R("map:1:2,3"), 0, "'2,3' is no decimal number", 0 },
	{ R("map:-1:2:3"), 0, "'-1' is no decimal number", 0 },
	{ R("map:-0:2:3"), 0, "'-0' is no decimal number", 0 },
	{ R("map:+:2:3"), 0, "'+' is no decimal number", 0 },
	{ R("map:++1:2:3"), 0, "'++1' is no decimal number", 0 },
	{ R("map:0x10:2:3"), 0, "'0x10' is no decimal number", 0 },
	{ R("map:1.0:2:3"), 0, "'1.0' is no decimal number", 0 },
	{ R("map:1e3:2:3"), 0, "'1e3' is no decimal number", 0 },
	{ R("map:4294967296:2:3"), 0, "'4294967296' is no decimal number", 0 },
	{ R("map:99999999999999999999999:2:3"), 0, "'99999999999999999999999' is no decimal number", 0 },
	{ R("map:root:2:3"), 0, "'root' is no decimal number", 0 },
	{ R("map:1:2:3,map:4:5:6"), 0, "'3,map' is no decimal number", 0 },
};

#define IDMAP_NCASES (sizeof(idmap_cases) / sizeof(idmap_cases[0]))

#endif
