package main

import (
	"slices"

	"github.com/go-logr/logr"
)

// lateSink encodes the values of a logger only when a line is written. Each
// reconciliation gets a logger of its own, and most write nothing: to encode its
// values at once was one twentieth of the cost of a delivery.
type lateSink struct {
	logr.LogSink
	values []any
}

// lazily returns a logger that writes the same lines.
func lazily(l logr.Logger) logr.Logger {
	return l.WithSink(&lateSink{LogSink: l.GetSink()})
}

// Info implements logr.LogSink.
func (s *lateSink) Info(level int, msg string, more ...any) {
	s.LogSink.Info(level, msg, s.with(more)...)
}

// Error implements logr.LogSink.
func (s *lateSink) Error(err error, msg string, more ...any) {
	s.LogSink.Error(err, msg, s.with(more)...)
}

// WithValues implements logr.LogSink.
func (s *lateSink) WithValues(more ...any) logr.LogSink {
	return &lateSink{LogSink: s.LogSink, values: s.with(more)}
}

// WithName implements logr.LogSink.
func (s *lateSink) WithName(name string) logr.LogSink {
	return &lateSink{LogSink: s.LogSink.WithName(name), values: s.values}
}

func (s *lateSink) with(more []any) []any {
	return append(slices.Clip(s.values), more...)
}
