// Package pyproxy holds faultbed's reference reverse proxy in Python: one file,
// pyproxy.py, for Python 3.9 or newer with aiohttp 3.7 or newer, as Debian's
// python3-aiohttp brings it. It takes the same settings as program goproxy and
// keeps the same promises; where they differ, its doc string says how.
//
// The package does not run it. Write [Source] to a file and start that with an
// interpreter that has aiohttp; package proxy/reference tests it that way.
package pyproxy

import _ "embed"

// Source is the text of pyproxy.py.
//
//go:embed pyproxy.py
var Source []byte
