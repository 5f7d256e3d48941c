//go:build !linux

package footprint

// forgetExecutable does nothing where the kernel can't be asked to.
func forgetExecutable() {}
