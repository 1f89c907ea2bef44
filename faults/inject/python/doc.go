// Package python makes an unmodified, running CPython program raise in one chosen
// request, block its event loop in it, hang in it or end: it queues one call of
// PyRun_SimpleString with Py_AddPendingCall, both exported by every interpreter, and
// the program wraps its own aiohttp handlers at the next safe point between two
// instructions of its main thread.
//
// The main thread is stopped only for the call that queues. Calling into the
// interpreter at once, at whatever it does, would crash it sooner or later under
// load. The program confirms each step, and each request that was hit, in a page of
// memory that it shares with the injector; a loop that sleeps is woken by a connection.
//
// It knows aiohttp, by web.Application and web.Server, and no other framework. Linux
// on amd64. Start with [Run].
package python
