# SPDX-License-Identifier: MIT
# Programs that differ by what was planted, in ./old and ./new: sourced by tests, which have read
# tests/e2e/helpers.bash before.

PLANTED=$ROOT/tests/live/planted

# DIRECTORY OPTIONS of start.c
build_start() {
	mkdir -p "$1"
	gcc -O2 -fno-ipa-icf "${@:2}" -o "$1/start" "$PLANTED/start.c"
}

# DIRECTORY UNITS: a start that needs a library whose constructor works for so long.
build_constructor() {
	mkdir -p "$1"
	gcc -O2 -fPIC -shared -Wl,-soname,libcatalog.so.1 -DUNITS="$2" -o "$1/libcatalog.so.1" "$PLANTED/catalog.c"
	# shellcheck disable=SC2016 # the loader's
	gcc -O2 -fno-ipa-icf -DUNITS=1 -o "$1/start" "$PLANTED/start.c" -Wl,--no-as-needed "$1/libcatalog.so.1" '-Wl,-rpath,$ORIGIN'
}

# DIRECTORY LIBRARIES...: a start that needs libtables.so, or does not.
build_relocations() {
	local libraries=()
	mkdir -p "$1"
	[ $# -eq 1 ] || {
		gcc -O2 -fPIC -shared -Wl,-soname,libtables.so -o "$1/libtables.so" "$PLANTED/tables.c"
		# shellcheck disable=SC2054 # an option
		libraries=(-Wl,--no-as-needed "$1/libtables.so")
	}
	# shellcheck disable=SC2016 # the loader's
	gcc -O2 -fno-ipa-icf -DUNITS=0 -o "$1/start" "$PLANTED/start.c" "${libraries[@]}" '-Wl,-rpath,$ORIGIN'
}

# DIRECTORY UNITS: a Python program, one of whose modules works for so long.
build_import() {
	mkdir -p "$1"
	cp -r "$PLANTED/shop" "$1"
	sed -i "s/PLANTED$/$2/" "$1/shop/units.py"
	echo 'import shop.web' >"$1/app.py"
}
