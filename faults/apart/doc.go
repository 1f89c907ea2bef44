// Package apart runs a function on a thread of its own that ends with it, and opens
// the namespaces of other processes for it to enter. What such a function does to its
// thread (another namespace, another user, another root) is so done to no other code,
// and can't be left behind in the process.
//
// It is for rooms that act in a subject's network or mounts, or as its user. It does
// not keep anything open or in force, knows no fault, and is empty outside Linux.
// Start with [Run].
package apart
