// Package catalogue tests the scenarios of fixtures/catalogue: one or more for each
// fault, which the default campaign leaves out because it has to be short.
//
// It has tests only. TestSuite runs every scenario on the reference proxy, as a gate
// would: what fails has to fail again. TestPairs lets faults of every two families
// overlap (make pairs) and looks at the testbed, not at the subject. A fault that
// this host can't have is skipped with its reason, in the log and in the manifest.
package catalogue
