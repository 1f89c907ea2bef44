// Package reference holds nothing but the tests of the two reference proxies,
// goproxy and pyproxy: one table of promises, both programs, as real processes on
// loopback. A promise that only one of them makes says so in its test.
//
// It neither measures nor compares: that is what faultbed is for. The Python half
// is skipped, with the reason, where /usr/bin/python3 has no aiohttp.
//
// Start with harness_test.go.
package reference
