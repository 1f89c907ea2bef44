// Package proxy says what a subject is and how one is started: its
// specification, a YAML file ([Spec]), and the contract that the drivers keep
// ([Driver], [Instance]).
//
// A stranger's proxy needs only such a file: how to get the program, its
// configuration as templates, how to tell that it is ready, and what it promises
// when it is told to stop. The three subjects in subjects/ are examples of each
// kind: a Go package to build, a Python program on Debian packages, and nginx
// with nothing of ours inside. The file's keys are described in its JSON Schema,
// reports/schema/v1/subject.json, what its templates may use in [Params].
//
// It starts nothing itself: packages proxy/process and proxy/container do. It
// does not judge whether a promise was kept either; that is reports/verdict.
//
// Start with [Embedded] or [Load], then [Spec.Render].
package proxy
