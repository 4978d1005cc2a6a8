# SPDX-License-Identifier: Apache-2.0
# Installation: tool, its other names, manual pages, headers for other programs, completion.

INSTALL ?= install
BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man
INCLUDEDIR = $(DESTDIR)$(PREFIX)/include/chop
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
SECTIONS = $(sort $(subst .,,$(suffix $(MAN))))
LIBDIR = $(DESTDIR)$(PREFIX)/lib/chop
ZSHDIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions

install: all $(MAN) $(COMPLETIONS)
	$(INSTALL) -d $(BINDIR) $(addprefix $(MANDIR)/man,$(SECTIONS)) $(INCLUDEDIR) $(BASHDIR) $(ZSHDIR) \
		$(LIBDIR)
	$(INSTALL) -m 755 $(B)/chop $(BINDIR)/chop
	$(INSTALL) -m 644 $(B)/libchop-interpose.so $(LIBDIR)
	for name in $(LINKS); do ln -sf chop $(BINDIR)/$$name || exit 1; done
	for n in $(SECTIONS); do $(INSTALL) -m 644 $(B)/man/*.$$n $(MANDIR)/man$$n || exit 1; done
	$(INSTALL) -m 644 include/chop/*.h $(INCLUDEDIR)
	$(INSTALL) -m 644 $(B)/completion/chop.bash $(BASHDIR)/chop
	$(INSTALL) -m 644 $(B)/completion/_chop $(ZSHDIR)/_chop

uninstall:
	rm -f $(BINDIR)/chop $(addprefix $(BINDIR)/,$(LINKS)) $(BASHDIR)/chop $(ZSHDIR)/_chop
	rm -f $(foreach page,$(MAN),$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
	rm -f $(addprefix $(INCLUDEDIR)/,$(notdir $(wildcard include/chop/*.h)))
	rm -f $(LIBDIR)/libchop-interpose.so
	-rmdir $(INCLUDEDIR) $(LIBDIR)
