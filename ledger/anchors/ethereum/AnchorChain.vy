# pragma version 0.4.3
# pragma evm-version london
# pragma optimize gas
"""
@title AnchorChain
@license Apache-2.0
@notice Keeps, for every sender, one hash that commits to all tree heads the sender has ever anchored, in order.
        Nobody owns this contract, nothing in it can be changed, it takes no money and calls nobody.
@dev head' = keccak256(head . root . size), three words of 32 bytes; the head of a sender that never anchored is zero.
     One storage slot a sender, so one eth_getProof proves the whole history; the event lets anybody read it back.
     London's instructions only, so that it also runs on consortium chains which are behind.
"""

event Anchored:
    sender: indexed(address)
    root: bytes32
    size: uint64


head: public(HashMap[address, bytes32])


@external
def anchor(root: bytes32, size: uint64):
    """
    @notice Add a tree head to the sender's chain.
    @param root The root hash of the log's tree.
    @param size The number of entries under that root.
    """
    self.head[msg.sender] = keccak256(concat(self.head[msg.sender], root, convert(size, bytes32)))
    log Anchored(sender=msg.sender, root=root, size=size)
