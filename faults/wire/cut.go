package wire

var cut = Kind{
	Name:     Cut,
	Sentence: "closes a connection cleanly (FIN both ways) at an exact byte or instant",
	Bites:    "a connection that was closed there",
	Params:   at(),
	make:     func(Fault, any) any { return cutting{} },
}

// cutting ends both directions. What still comes is dropped.
type cutting struct{}

func (cutting) act(p *pump, _ *grip) bool {
	p.c.finish()
	return true
}
