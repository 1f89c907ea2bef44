// Package notify answers connect(2) in place of the kernel for an unmodified, running
// process: with an error number, or late. It makes the process install a seccomp
// filter that sends its connect calls to a supervisor (seccomp_unotify(2)), takes the
// listener by pidfd_getfd(2) and lets go; from then on only these calls pay, and
// every other one of the process is as before.
//
// A filter can't be removed. Lifting means that every call is let through from then
// on, so the supervisor must outlive the process: if it ended first, every connect
// of the process would fail with ENOSYS for ever. It works on processes that are
// there when it begins, and on those that they fork later.
//
// Linux 5.19, on amd64. Start with [Supervise].
package notify
