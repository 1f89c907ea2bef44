package wire

import "faultbed/faults/param"

// maxRecord is the longest TLS record with its header (RFC 8446 §5.2).
const maxRecord = 5 + 1<<14 + 256

var tlsRecordCut = Kind{
	Name:     TLSRecordCut,
	Sentence: "cuts a connection within a TLS record, so that its receiver holds a part that it can't open",
	Bites:    "a connection that was cut there",
	Params: []param.Param{
		param.Param{Name: "record", Type: param.Int, Unit: "records", Min: 1, Max: 1 << 20, Default: int64(1), Doc: "the nth record of the direction"},
		bytesOf("keep", 0, maxRecord, int64(5), "of the record that pass, its header of 5 bytes included; where it is shorter, the cut falls into the next"),
		param.Param{Name: "end", Type: param.Enum, Of: []string{"fin", "rst"}, Default: "fin", Doc: "how the connection ends"},
		param.Param{Name: "direction", Type: param.Enum, Of: []string{Down, Up}, Default: Down, Doc: "whose records: down the server's, up the client's"},
		matching, everyNth, limit, chance},
	turn: func(f Fault) Fault {
		f.When, f.Nth, f.AtByte = ServerRecord, max(1, f.Record), f.Keep
		if f.Direction == Up {
			f.When = ClientRecord
		}
		return f
	},
	make: func(f Fault, _ any) any {
		if f.End == "rst" {
			return resettingAt{}
		}
		return cutting{}
	},
	check: func(f Fault) error {
		switch {
		case f.Direction == Both:
			return param.Errorf("direction", "a record has one")
		case f.End != "" && f.End != "fin" && f.End != "rst":
			return param.Errorf("end", "no end %q", f.End)
		}
		return nil
	},
}
