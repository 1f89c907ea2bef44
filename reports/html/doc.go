// Package html writes report.html: one file that holds a whole run and opens
// offline, with no asset beside it and no request to anywhere.
//
// The tables are written by Go and need no script. The timelines are drawn to
// scale by a small script of our own (timeline.js) from data that stands in the
// file, and only when a trial is opened, so that a report of a hundred trials is
// as quick as one of three. A Content-Security-Policy in the file allows that
// one script and that one style sheet, by their hash, and nothing else.
//
// It judges nothing and hides nothing: what is left out to bound the file's size
// is said where it is missing, and of a large trial that is most of its requests:
// a sample is drawn, all are counted. It never shows keys: plans and ledgers hold none.
// The same input gives the same bytes.
//
// Start with [Draw] and [Write].
package html
