/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Socket addresses, from the kernel's sockets and from the program's memory, as struct sl_addr. */
#include "bpf/net.bpf.h"

#include <bpf/bpf_endian.h>

#define UNIX_PATH_MAX 108

static __always_inline void addr_clear(struct sl_addr *ret)
{
	__builtin_memset(ret, 0, sizeof(*ret));
}

static __always_inline void addr_type(const struct sock *sk, struct sl_addr *ret)
{
	ret->type = BPF_CORE_READ(sk, sk_type);
}

/* The UNIX name of at most @length bytes at @path: a path ends at its NUL, an abstract name, which
 * begins with one, has its length only. */
static __always_inline void addr_name(const char *path, long length, bool is_user,
				      struct sl_addr *ret)
{
	long done;

	ret->family = AF_UNIX;
	if (length <= 0)
		return;
	if (length > UNIX_PATH_MAX)
		length = UNIX_PATH_MAX;
	/* One byte more, for the NUL that the helper puts behind a path that fills its field. */
	done = is_user ? bpf_probe_read_user_str(ret->bytes, length + 1, path)
		       : bpf_probe_read_kernel_str(ret->bytes, length + 1, path);
	if (done < 0) /* 0: some kernels do not count the NUL of an empty text */
		return;
	if (ret->bytes[0]) {
		ret->length = done - 1;
		return;
	}
	done = is_user ? bpf_probe_read_user(ret->bytes, length, path)
		       : bpf_probe_read_kernel(ret->bytes, length, path);
	ret->length = done ? 0 : length;
}

static __always_inline void addr_unix(const struct sock *sk, struct sl_addr *ret)
{
	const struct unix_address *address = BPF_CORE_READ((const struct unix_sock *)sk, addr);
	const char *name = (const char *)address + bpf_core_field_offset(struct unix_address, name);

	ret->family = AF_UNIX;
	if (address)
		addr_name(name + sizeof(__u16), BPF_CORE_READ(address, len) - (long)sizeof(__u16),
			  false, ret);
}

__noinline int addr_local(__u64 number, struct sl_addr *ret)
{
	const struct sock *sk = (const struct sock *)number;

	if (!ret)
		return 0;
	addr_clear(ret);
	if (!sk)
		return 0;
	addr_type(sk, ret);
	ret->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (ret->family == AF_UNIX) {
		addr_unix(sk, ret);
		return 0;
	}
	if (ret->family == AF_INET) {
		ret->length = 4;
		BPF_CORE_READ_INTO((__be32 *)ret->bytes, sk, __sk_common.skc_rcv_saddr);
	} else if (ret->family == AF_INET6) {
		ret->length = 16;
		BPF_CORE_READ_INTO((struct in6_addr *)ret->bytes, sk, __sk_common.skc_v6_rcv_saddr);
	} else {
		return 0;
	}
	ret->port = BPF_CORE_READ(sk, __sk_common.skc_num);
	return 0;
}

__noinline int addr_peer(__u64 number, struct sl_addr *ret)
{
	const struct sock *sk = (const struct sock *)number;

	if (!ret)
		return 0;
	addr_clear(ret);
	if (!sk)
		return 0;
	addr_type(sk, ret);
	ret->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (ret->family == AF_UNIX) {
		sk = BPF_CORE_READ((const struct unix_sock *)sk, peer);
		if (sk)
			addr_unix(sk, ret);
		return 0;
	}
	if (ret->family == AF_INET) {
		ret->length = 4;
		BPF_CORE_READ_INTO((__be32 *)ret->bytes, sk, __sk_common.skc_daddr);
	} else if (ret->family == AF_INET6) {
		ret->length = 16;
		BPF_CORE_READ_INTO((struct in6_addr *)ret->bytes, sk, __sk_common.skc_v6_daddr);
	} else {
		return 0;
	}
	ret->port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	return 0;
}

__noinline int addr_user(__u64 pointer, __u32 length, struct sl_addr *ret)
{
	const char *from = (const char *)pointer;
	__u16 family = 0;
	__be16 port = 0;

	if (!ret)
		return 0;
	addr_clear(ret);
	if (length < sizeof(family) || bpf_probe_read_user(&family, sizeof(family), from))
		return 0;
	ret->family = family;
	if (family == AF_UNIX) {
		addr_name(from + sizeof(family), (long)length - (long)sizeof(family), true, ret);
		return 0;
	}
	/* struct sockaddr_in: port, address. sockaddr_in6: port, flow label, address. */
	if (family == AF_INET && length >= 8) {
		ret->length = 4;
		bpf_probe_read_user(ret->bytes, 4, from + 4);
	} else if (family == AF_INET6 && length >= 24) {
		ret->length = 16;
		bpf_probe_read_user(ret->bytes, 16, from + 8);
	} else {
		return 0;
	}
	bpf_probe_read_user(&port, sizeof(port), from + 2);
	ret->port = bpf_ntohs(port);
	return 0;
}
