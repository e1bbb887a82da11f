/* What of DPDK is bound, beside it what macros and inline functions hide from a binding. */
#include <stddef.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_version.h>

/* Where the fields of an mbuf are. */
static const size_t DHP_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr);
static const size_t DHP_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off);
static const size_t DHP_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs);
static const size_t DHP_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len);
static const size_t DHP_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len);
static const size_t DHP_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len);
/* Octets before the data of a fresh or received mbuf. */
static const uint16_t DHP_MBUF_HEADROOM = RTE_PKTMBUF_HEADROOM;

/* How receive side scaling is asked for, and what it hashes. */
static const uint32_t DHP_MQ_RX_RSS = RTE_ETH_MQ_RX_RSS;
static const uint64_t DHP_RSS_IPV6 = RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER
	| RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP;
static const uint64_t DHP_RSS_INNERMOST = RTE_ETH_RSS_LEVEL_INNERMOST;

/* Offloads. */
static const uint64_t DHP_TX_OFFLOAD_FAST_FREE = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
static const uint64_t DHP_RX_OFFLOAD_CHECKSUM = RTE_ETH_RX_OFFLOAD_CHECKSUM;
static const uint64_t DHP_TX_OFFLOAD_L4_CHECKSUM = RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;

/* The error of the last call on this thread; a macro over a thread-local variable. */
static inline int dhp_errno(void)
{
	return rte_errno;
}

/* Whether the calling thread has a number of its own, and so a cache in every memory pool. */
static inline int dhp_thread_has_lcore(void)
{
	return rte_lcore_id() != LCORE_ID_ANY;
}

/* A bit field, and from DPDK 24.11 in an anonymous union. */
static inline int dhp_link_is_up(const struct rte_eth_link *link)
{
	return link->link_status == RTE_ETH_LINK_UP;
}
