/* What libseccomp makes of a profile: the oracle of the test beside this file.
 *
 *   reference FILTER < PROFILE        writes struct sock_filter[] to FILTER
 *
 *   arch TOKEN                        AUDIT_ARCH_*, one or more, first of all
 *   default ACTION                    SECCOMP_RET_*, next
 *   rule ACTION NAME N [INDEX OP VALUE TWO]*N
 *   name NAME                         prints "TOKEN NAME NUMBER" for each arch
 *
 * A rule that libseccomp does not take is printed as "refused NAME".
 */
#include <fcntl.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t arches[8];
static int arch_count;

static scmp_filter_ctx begin(uint32_t action)
{
	scmp_filter_ctx filter = seccomp_init(action);
	int wants_native = 0;

	if (filter == NULL)
		exit(1);
	for (int i = 0; i < arch_count; i++) {
		wants_native |= arches[i] == seccomp_arch_native();
		if (arches[i] != seccomp_arch_native() && seccomp_arch_add(filter, arches[i]) != 0)
			exit(2);
	}
	if (!wants_native && seccomp_arch_remove(filter, SCMP_ARCH_NATIVE) != 0)
		exit(3);
	return filter;
}

static void add_rule(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp args[6];
	unsigned action, count, index, op;
	unsigned long long value, two;
	char name[64];

	if (scanf("%x %63s %u", &action, name, &count) != 3 || count > 6)
		exit(4);
	for (unsigned i = 0; i < count; i++) {
		if (scanf("%u %u %llx %llx", &index, &op, &value, &two) != 4)
			exit(5);
		args[i] = (struct scmp_arg_cmp){ index, op, value, two };
	}
	int number = seccomp_syscall_resolve_name(name);
	if (number == __NR_SCMP_ERROR || seccomp_rule_add_array(filter, action, number, count, args) != 0)
		printf("refused %s\n", name);
}

static void print_numbers(void)
{
	char name[64];

	if (scanf("%63s", name) != 1)
		exit(6);
	for (int i = 0; i < arch_count; i++)
		printf("%x %s %d\n", arches[i], name, seccomp_syscall_resolve_name_arch(arches[i], name));
}

int main(int argc, char **argv)
{
	scmp_filter_ctx filter = NULL;
	char word[16];
	unsigned number;

	while (argc == 2 && scanf("%15s", word) == 1) {
		if (!strcmp(word, "arch") && scanf("%x", &number) == 1 && arch_count < 8)
			arches[arch_count++] = number;
		else if (!strcmp(word, "default") && scanf("%x", &number) == 1)
			filter = begin(number);
		else if (!strcmp(word, "rule") && filter != NULL)
			add_rule(filter);
		else if (!strcmp(word, "name"))
			print_numbers();
		else
			return 7;
	}
	int file = argc == 2 ? open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
	if (filter == NULL || file < 0 || seccomp_export_bpf(filter, file) != 0)
		return 8;
	return 0;
}
