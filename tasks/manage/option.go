package manage

// Option configures [Command].
type Option interface{ manage(*manager) }

// Terminal says whether standard input, output and error are terminals, where that cannot be seen from them: in tests,
// or behind something that passes them on. Default: whether they are character devices. A question needs input and
// error to be terminals, colours and progress need theirs.
func Terminal(in, out, err bool) Option {
	return option(func(m *manager) { m.terminals = &[3]bool{in, out, err} })
}

type option func(*manager)

func (o option) manage(m *manager) { o(m) }
