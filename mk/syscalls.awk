# SPDX-License-Identifier: Apache-2.0
# Turn data/flags.tbl, data/ioctl.tbl, data/syscall-types.tbl and data/syscalls-ARCH.tbl into
# the C tables of src/arch/calls.h. Give the files in that order; the formats are told in them.

function fail(text) {
	print FILENAME ":" FNR ": " text >"/dev/stderr"
	failed = 1
	exit 1
}

# ---- names of constants -----------------------------------------------------------------

function names_begin(style, name, unknown) {
	names_end()
	if (name in names_id) fail("second table " name)
	names_id[name] = ++names_count
	table = name
	items = ""
	item_count = pick_count = 0
	in_pick = loose = 0
	pick = octal = decimal = "0"
	zero = shift_name = "NULL"
	shift = 0
	head = sprintf(".style = CALL_NAMES_%s, .unknown = %s", style == "enum" ? "ENUM" : "FLAGS",
		       unknown == "-" ? "NULL" : "\"" escape(unknown) "\"")
}

# No trigraphs: "???" in a C string.
function escape(text) {
	gsub(/\?/, "\\?", text)
	return text
}

function names_end() {
	if (table == "") return
	if (in_pick) fail("table " table ": pick without bits")
	printf "static const struct call_name names_%s[] = {%s { NULL, 0 } };\n", table, items
	printf "const struct call_names call_names_%s = { %s, .items = names_%s, .count = %d,\n", table,
	       head, table, item_count
	printf "\t.pick = %s, .pick_count = %d, .loose = %d, .zero = %s, .shift_name = %s, .shift = %d,\n",
	       pick, pick_count, loose, zero, shift_name, shift
	printf "\t.octal = %s, .decimal = %s };\n", octal, decimal
	table = ""
}

function names_item(name, value) {
	items = items sprintf(" { \"%s\", %s },", name, value)
	item_count++
	if (in_pick) pick_count++
	value_of[table, name] = value
}

function names_row() {
	if ($1 == "zero") zero = "\"" $2 "\""
	else if ($1 == "pick") { pick = $2; loose = ($3 == "loose"); in_pick = 1 }
	else if ($1 == "bits") in_pick = 0
	else if ($1 == "shift") { shift_name = "\"" $2 "\""; shift = $3 }
	else if ($1 == "octal") octal = $2
	else if ($1 == "decimal") decimal = $2
	else if (NF != 2 || $2 !~ /^(0x[0-9a-f]+|[0-9]+)$/) fail("expected NAME VALUE")
	else names_item($1, $2)
}

# ---- types ------------------------------------------------------------------------------

function type_add(name, size, align, format, extra) {
	if (name in type_size) fail("second type " name)
	type_size[name] = size
	type_align[name] = align
	type_format[name] = format
	type_list[++type_count] = name
	type_text[name] = sprintf("{ .name = \"%s\", .size = %d, .format = CALL_%s%s }", name, size,
				  format, extra)
}

function scalar(name, size, format) { type_add(name, size, size, format, "") }

function scalars() {
	scalar("s8", 1, "SIGNED"); scalar("s16", 2, "SIGNED")
	scalar("s32", 4, "SIGNED"); scalar("s64", 8, "SIGNED")
	scalar("u8", 1, "UNSIGNED"); scalar("u16", 2, "UNSIGNED")
	scalar("u32", 4, "UNSIGNED"); scalar("u64", 8, "UNSIGNED")
	scalar("x8", 1, "HEX"); scalar("x16", 2, "HEX"); scalar("x32", 4, "HEX"); scalar("x64", 8, "HEX")
	scalar("int", 4, "SIGNED"); scalar("long", 8, "SIGNED")
	scalar("uint", 4, "UNSIGNED"); scalar("ulong", 8, "UNSIGNED")
	scalar("ptr", 8, "POINTER"); scalar("fd", 4, "FD"); scalar("dirfd", 4, "DIRFD")
	scalar("sig", 4, "SIGNAL"); scalar("pid", 4, "SIGNED"); scalar("uid", 4, "ID")
	scalar("gid", 4, "ID"); scalar("mode", 2, "MODE"); scalar("dev", 8, "DEV")
	scalar("key", 4, "KEY"); scalar("oct", 4, "OCTAL"); scalar("none", 0, "NONE")
	scalar("char", 1, "TEXT"); scalar("pad", 1, "PAD")
	scalar("path", 1, "PATH"); scalar("str", 1, "STRING"); scalar("bytes", 1, "BYTES")
	scalar("strings", 8, "STRINGS")
}

# The C expression for a type; enum/T and flags/T come into being when first named.
function type_ref(name,    part, size) {
	if (split(name, part, "/") == 2 && !(name in type_size)) {
		if (part[1] !~ /^(enum|flags)(8|16|64)?$/) fail("unknown kind " name)
		if (!(part[2] in names_id)) fail("no table " part[2])
		size = 4
		if (part[1] ~ /[0-9]$/) {
			size = part[1]
			sub(/^[a-z]+/, "", size)
			size = size / 8
		}
		type_add(name, size, size, "NAMES", sprintf(", .names = &call_names_%s", part[2]))
	}
	if (!(name in type_size)) fail("unknown type " name)
	used[name] = 1
	if (!(name in type_id)) {
		type_id[name] = ++type_ids
		type_order[type_ids] = name
	}
	return "&call_type_table[" (type_id[name] - 1) "]"
}

function struct_begin(kind, name, size, packed) {
	struct_end()
	structure = name
	opaque = (kind == "opaque")
	opaque_size = size
	is_packed = packed
	offset = field_count = 0
	alignment = 1
	fields = ""
}

function struct_end(    size) {
	if (structure == "") return
	size = opaque ? opaque_size : int((offset + alignment - 1) / alignment) * alignment
	if (field_count)
		struct_text = struct_text sprintf("static const struct call_field fields_%s[] = {%s };\n",
						  structure, fields)
	type_add(structure, size, opaque ? 8 : alignment, opaque ? "OPAQUE" : "STRUCT",
		 field_count ? sprintf(", .fields = fields_%s, .field_count = %d", structure,
				       field_count) : "")
	structure = ""
}

function field_row(    name, kind, count, flags, memory, i, align, at) {
	name = $1; kind = $2; count = 1; memory = ""; flags = "0"
	for (i = 3; i <= NF; i++) {
		if ($i == "-v") flags = flags " | CALL_FIELD_VERBOSE"
		else if ($i == "-nz") flags = flags " | CALL_FIELD_NONZERO"
		else fail("unknown attribute " $i)
	}
	if (kind ~ /^[<>]/) {
		memory = memory_spec(kind, "field")
		kind = "ptr"
	} else if (kind ~ /\[/) {
		count = kind
		sub(/^[^[]*\[/, "", count); sub(/\]$/, "", count)
		sub(/\[.*/, "", kind)
	}
	at = type_ref(kind)
	align = is_packed ? 1 : type_align[kind]
	if (align > alignment) alignment = align
	offset = int((offset + align - 1) / align) * align
	fields = fields sprintf("\n\t{ .name = \"%s\", .type = %s, .offset = %d, .count = %d, .flags = %s%s },",
				name, at, offset, count, flags, memory)
	field_at[structure, name] = field_count++
	offset += type_size[kind] * count
}

# ---- memory an argument or field points to -----------------------------------------------

function count_spec(text, where,    from, ref) {
	from = "CONST"; ref = 0
	if (text ~ /^[0-9]+$/) ref = text
	else if (text == "ret") from = "RESULT"
	else {
		from = where == "field" ? "FIELD" : "ARG"
		if (sub(/^\*/, "", text)) from = "POINTED"
		if (where == "field") {
			# A field may be named before it is laid out: resolved by name at the end.
			ref = "FIELD_INDEX_" structure "_" text
			field_refs[ref] = structure SUBSEP text
		} else {
			if (!(text in arg_at)) fail("no argument " text)
			ref = arg_at[text]
		}
	}
	return sprintf("{ CALL_COUNT_%s, %s }", from, ref)
}

function memory_spec(kind, where,    dir, type, count, limit, bits, sum, n, part) {
	if (sub(/^>\+/, "", kind)) dir = "OUT_POSITIVE"
	else if (sub(/^>!/, "", kind)) dir = "OUT_ALWAYS"
	else if (sub(/^>/, "", kind)) dir = "OUT"
	else if (sub(/^</, "", kind)) dir = "IN"
	else if (sub(/^=/, "", kind)) dir = "INOUT"
	else if (sub(/^~/, "", kind)) dir = "INOUT_EARLY"
	type = kind
	count = limit = "1"; bits = sum = 0
	if (type ~ /\[/) {
		count = type
		sub(/^[^[]*\[/, "", count); sub(/\]$/, "", count)
		sub(/\[.*/, "", type)
		if (sub(/\^ret$/, "", count)) sum = 1
		n = split(count, part, ",")
		count = limit = part[1]
		if (n == 2 && part[2] == "bits") bits = 1
		else if (n == 2) limit = part[2]
	}
	return sprintf(", .dir = CALL_%s, .memory = { .type = %s, .count = %s, .limit = %s, .bits = %d, .sum = %d, .array = %d }",
		       dir, type_ref(type), count_spec(count, where), count_spec(limit, where), bits, sum,
		       (count != "1" || kind ~ /\[/))
}

# ---- calls ------------------------------------------------------------------------------

# The arguments in columns first.. as C; arg_at must hold those before them.
function arguments(first,    i, name, kind, text, at) {
	at = arg_base
	for (i = first; i <= NF; i++) {
		name = $i
		sub(/:.*/, "", name)
		arg_at[name] = at++
	}
	text = ""
	for (i = first; i <= NF; i++) {
		if (index($i, ":") == 0) fail("expected NAME:KIND, not " $i)
		name = $i; sub(/:.*/, "", name)
		kind = $i; sub(/^[^:]*:/, "", kind)
		if (kind ~ /^[<>=~]/)
			text = text sprintf("\n\t{ .name = \"%s\", .type = %s%s },", name, type_ref("ptr"),
					    memory_spec(kind, "arg"))
		else {
			text = text sprintf("\n\t{ .name = \"%s\", .type = %s },", name, type_ref(kind))
			kind_of[name] = kind
		}
	}
	arg_total = at
	if (at > 6) fail("more than six arguments")
	return text
}

function result_spec(text,    partial) {
	partial = sub(/\+partial$/, "", text)
	return sprintf(".result = %s, .partial = %d", type_ref(text), partial)
}

function class_spec(text,    n, part, i, out) {
	if (text == "-") return "0"
	n = split(text, part, ",")
	for (i = 1; i <= n; i++) {
		sub(/^%/, "all_", part[i])
		out = out (i > 1 ? " | " : "") "CALL_" (part[i] == "signal" ? "SIGNAL_CLASS" : toupper(part[i]))
	}
	return out
}

function clear(array,    key) { for (key in array) delete array[key] }

function call_row(    text) {
	call_end()
	if ($1 !~ /^[0-9]+$/ || NF < 4) fail("expected NUMBER NAME CLASSES RESULT ARGUMENT...")
	number = $1; call = $2
	if (number <= last_number && last_number != "") fail("numbers must rise")
	last_number = number
	clear(arg_at); clear(kind_of)
	arg_base = 0
	text = arguments(5)
	base_args = text
	base_total = arg_total
	printf "static const struct call_arg args_%s[] = {%s { 0 } };\n", call, text
	call_head = sprintf("\t[%d] = { .name = \"%s\", .classes = %s, %s, .args = args_%s, .arg_count = %d",
			    number, call, class_spec($3), result_spec($4), call, arg_total)
	variants = ""
	variant_count = 0
	# The arguments one by one, for the variants.
	base_number = split(base_args, base_part, "\n")
	clear(base_at)
	for (name in arg_at) base_at[name] = arg_at[name]
	clear(base_kind)
	for (name in kind_of) base_kind[name] = kind_of[name]
}

# | ARGUMENT[&MASK][>>SHIFT]=VALUES RESULT ARGUMENT...
function variant_row(    selector, values, mask, shift_by, at, i, n, part, text, keep, value) {
	if (call == "") fail("a refinement before any call")
	selector = values = $2
	if (index(selector, "=") == 0) fail("expected ARGUMENT=VALUES")
	sub(/=.*/, "", selector); sub(/^[^=]*=/, "", values)
	mask = "~0ull"; shift_by = 0
	if (selector ~ />>/) { shift_by = selector; sub(/.*>>/, "", shift_by); sub(/>>.*/, "", selector) }
	if (selector ~ /&/) { mask = selector; sub(/.*&/, "", mask); sub(/&.*/, "", selector) }
	if (!(selector in base_at)) fail("no argument " selector)
	at = base_at[selector]
	clear(arg_at)
	keep = ""
	for (name in base_at)
		if (base_at[name] <= at) arg_at[name] = base_at[name]
	for (i = 0; i <= at; i++) keep = keep "\n" base_part[i + 2]
	arg_base = at + 1
	text = arguments(4)
	printf "static const struct call_arg args_%s_%d[] = {%s%s { 0 } };\n", call, ++variant_serial,
	       keep, text
	n = split(values, part, ",")
	for (i = 1; i <= n; i++) {
		value = variant_value(base_kind[selector], part[i])
		variants = variants sprintf("\n\t{ .value = %s, .mask = %s, .shift = %d, .selector = %d, %s, .args = args_%s_%d, .arg_count = %d },",
					    value, mask, shift_by, at, result_spec($3), call,
					    variant_serial, arg_total)
		variant_count++
	}
}

function variant_value(kind, name,    part) {
	if (name ~ /^[0-9]/) return name
	if (split(kind, part, "/") != 2) fail("argument of kind " kind " has no names")
	if (!((part[2], name) in value_of)) fail("no " name " in table " part[2])
	return value_of[part[2], name]
}

function call_end() {
	if (call == "") return
	if (call == "ioctl") ioctl_variants()
	if (variant_count) {
		printf "static const struct call_variant variants_%s[] = {%s\n};\n", call, variants
		call_head = call_head sprintf(", .variants = variants_%s, .variant_count = %d", call,
					      variant_count)
	}
	calls = calls call_head " },\n"
	call_count = number + 1
	call = ""
}

# Requests with a known argument refine ioctl's third one.
function ioctl_variants(    i, text, save) {
	save = $0
	for (i = 1; i <= ioctl_typed; i++) {
		clear(arg_at)
		arg_at["fd"] = 0; arg_at["request"] = 1
		arg_base = 2
		if (ioctl_spec[i] == "none") { $0 = ""; NF = 0 }
		else $0 = "arg:" ioctl_spec[i]
		text = arguments(1)
		printf "static const struct call_arg args_ioctl_%d[] = {\n%s\n%s%s { 0 } };\n", i,
		       base_part[2], base_part[3], text
		variants = variants sprintf("\n\t{ .value = %s, .mask = ~0ull, .selector = 1, .result = %s, .args = args_ioctl_%d, .arg_count = %d },",
					    ioctl_value[i], type_ref("int"), i, arg_total)
		variant_count++
	}
	$0 = save
}

# ---- input ------------------------------------------------------------------------------

BEGIN {
	print "/* Generated by mk/syscalls.awk; do not edit. */"
	print "extern const struct call_type call_type_table[];"
	scalars()
}

FNR == 1 { file++ }
/^#/ || /^[ \t]*$/ { next }

file == 1 && /^(enum|flags) / { names_begin($1, $2, $3); next }
file == 1 { names_row(); next }

file == 2 {
	if (table != "ioctl") names_begin("enum", "ioctl", "-")
	name = $2
	gsub(/\|/, " or ", name)
	names_item(name, $1)
	if (NF == 3) {
		ioctl_value[++ioctl_typed] = $1
		ioctl_spec[ioctl_typed] = $3
	}
	next
}

file == 3 && /^(struct|opaque) / {
	names_end()
	if ($1 == "opaque" && NF != 3) fail("expected opaque NAME SIZE")
	struct_begin($1, $2, $3, $3 == "packed")
	next
}
file == 3 { field_row(); next }

file == 4 {
	struct_end()
	if ($1 == "|") variant_row()
	else call_row()
}

END {
	if (failed) exit 1
	call_end()
	if (file != 4) { print "syscalls.awk: four input files expected" >"/dev/stderr"; exit 1 }
	for (ref in field_refs) {
		split(field_refs[ref], pair, SUBSEP)
		if (!((pair[1], pair[2]) in field_at)) {
			print "syscall-types.tbl: " pair[1] " has no field " pair[2] >"/dev/stderr"
			exit 1
		}
		print "#define " ref " " field_at[pair[1], pair[2]]
	}
	printf "%s", struct_text
	# Types nobody names still deserve a place: decoders look some up by name.
	for (i = 1; i <= type_count; i++) type_ref(type_list[i])
	print "const struct call_type call_type_table[] = {"
	for (i = 1; i <= type_ids; i++) print "\t" type_text[type_order[i]] ","
	print "};"
	print "const size_t call_type_count = " type_ids ";"
	print "const struct call call_table[] = {"
	printf "%s", calls
	print "};"
	print "const size_t call_table_count = " call_count ";"
}
