/**
 * Keys that RocketMQ's broker knows and that mean nothing here: a file that has them starts, with one warning that names them. RocketMQ itself ignores
 * every key that it does not know; here such a key is an error, so that a mistyped one is found.
 */

/** Those that a reader may look for in docs/configuration.md, and why each is left out. */
export const WITHOUT_MEANING: readonly { readonly keys: readonly string[]; readonly why: string }[] = [
  {
    keys: words('brokerName brokerClusterName brokerId'),
    why: 'Names: the group is `dLegerGroup`, the node `dLegerSelfId`.',
  },
  {
    keys: words(
      'storePathCommitLog storePathDLedgerCommitLog readOnlyCommitLogStorePaths storePathEpochFile storePathBrokerIdentity',
    ),
    why: 'All of a node lies in `storePathRootDir`: make sure that its disk has the room.',
  },
  {
    keys: words(`brokerIP2 haListenPort haMasterAddress haSendHeartbeatInterval haHousekeepingInterval haTransferBatchSize haSlaveFallbehindMax
      haMaxGapNotInSync haFlowControlEnable maxHaTransferByteInSecond haMaxTimeSlaveNotCatchup`),
    why: 'Of the replication from master to slave, which RocketMQ does not use in DLedger mode either. How soon a silent leader is replaced: `electionTimeoutMinMs`.',
  },
  {
    keys: words(
      'totalReplicas inSyncReplicas minInSyncReplicas allAckInSyncStateSet enableAutoInSyncReplicas slaveTimeout asyncLearner',
    ),
    why: 'As the row above. A record is acknowledged when a quorum has it, never less and never more.',
  },
  {
    keys: words(`flushIntervalCommitLog flushCommitLogTimed flushCommitLogLeastPages flushCommitLogThoroughInterval commitIntervalCommitLog
      commitCommitLogLeastPages commitCommitLogThoroughInterval syncFlushTimeout putMessageTimeout`),
    why: 'Nothing waits for a moment to be flushed: each write is fsynced before it is acknowledged.',
  },
  {
    keys: words(
      'transientStorePoolEnable transientStorePoolSize fastFailIfNoBufferInStorePool warmMapedFileEnable writeWithoutMmap',
    ),
    why: 'Of memory-mapped files: Lograft writes.',
  },
  {
    keys: words(`deleteWhen diskMaxUsedSpaceRatio diskSpaceWarningLevelRatio diskSpaceCleanForciblyRatio cleanFileForciblyEnable
      logicalDiskSpaceCleanForciblyThreshold`),
    why: 'A full disk deletes nothing before `fileReservedTime`: the node takes no more until there is room. `retentionBytes` bounds the size.',
  },
  {
    keys: words('autoCreateTopicEnable defaultTopicQueueNums clusterTopicEnable brokerTopicEnable autoCreateSubscriptionGroup'),
    why: 'Topics are made by `lograft topic create`.',
  },
  {
    keys: words(
      'fetchNamesrvAddrByAddressServer fetchNameSrvAddrByDnsLookup fetchNamesrvAddrInterval registerNameServerPeriod registerBrokerTimeoutMills',
    ),
    why: 'Routers are those of `namesrvAddr`; each is told at once what changes.',
  },
  {
    keys: words('enableBatchPush recoverConcurrently checkCRCOnRecover slaveReadEnable longPollingEnable'),
    why: 'Always so, in a way of its own.',
  },
  {
    keys: words(
      'sendMessageThreadPoolNums pullMessageThreadPoolNums sendThreadPoolQueueCapacity waitTimeMillsInSendQueue osPageCacheBusyTimeOutMills',
    ),
    why: 'There are no thread pools and no queues in front of them.',
  },
  {
    keys: words('messageDelayLevel transactionTimeOut transactionCheckMax transactionCheckInterval rejectTransactionMessage'),
    why: 'There are no delayed and no transactional messages.',
  },
];

/**
 * All others: what the configuration classes of broker, store, network and access control of RocketMQ 4 and 5 have setters for (BrokerConfig,
 * BrokerIdentity, MessageStoreConfig, NettyServerConfig, NettyClientConfig, AuthConfig).
 */
const OTHERS = words(`
  accessMessageInMemoryHotRatio accessMessageInMemoryMaxRatio accountStatsEnable accountStatsPrintZeroValues
  ackMessageThreadPoolNums ackThreadPoolQueueCapacity aclCacheExpiredSecond aclCacheMaxNum aclCacheRefreshSecond
  adminBrokerThreadPoolNums adminBrokerThreadPoolQueueCapacity allowRecallWhenBrokerNotWriteable appendAckAsync appendCkAsync
  asyncSendEnable authConfigPath authenticationMetadataProvider authenticationProvider authenticationStrategy
  authenticationWhitelist authorizationMetadataProvider authorizationProvider authorizationStrategy authorizationWhitelist
  autoDeleteUnusedStats autoMessageVersionOnTopicLen batchDeleteSubscriptionGroupMaxRate batchDeleteTopicMaxRate
  batchDispatchRequestThreadPoolNums bitMapLengthConsumeQueueExt bottomMostCompressionTypeForConsumeQueueStore
  broadcastOffsetExpireMaxSecond broadcastOffsetExpireSecond brokerConfigPath brokerElectionPriority brokerFastFailureEnable
  brokerHeartbeatInterval brokerNotActiveTimeoutMillis cgColdReadThreshold channelExpiredTimeout channelNotActiveInterval
  checkSyncStateSetPeriod circuitBreakerDegradeRuleCount circuitBreakerDegradeRuleSecond circuitBreakerEnable
  circuitBreakerRecoverSecond cleanOfflineBrokerInterval cleanResourceInterval cleanRocksDBDirtyCQIntervalMin
  cleanSwapedMapInterval clearRetryTopicWhenDeleteTopic clientAsyncSemaphoreValue clientCallbackExecutorThreads
  clientChannelMaxIdleTimeSeconds clientCloseSocketIfTimeout clientManagerThreadPoolQueueCapacity clientManageThreadPoolNums
  clientOnewaySemaphoreValue clientPooledByteBufAllocatorEnable clientSocketRcvBufSize clientSocketSndBufSize
  clientWorkerThreads clusterName coldCtrStrategyEnable coldDataFlowControlEnable coldDataScanEnable combineAssignOffsetCQType
  combineCQEnableCheckSelf combineCQLoadingCQTypes combineCQMaxExtraSearchCommitLogFiles combineCQPreferCQType
  commercialBaseCount commercialBigCount commercialEnable commercialSizePerMsg commercialTimerCount commercialTransCount
  commitLogForceSwapMapInterval commitLogSwapMapInterval commitLogSwapMapReserveFileNum compactionCqMappedFileSize
  compactionMappedFileSize compactionScheduleInternal compactionThreadNum compatibleWithOldNameSrv compressedRegister
  configBlackList configManagerVersion configName connectTimeoutMillis consumerFallbehindThreshold
  consumerManagerThreadPoolQueueCapacity consumerManageThreadPoolNums consumerOffsetUpdateVersionStep controllerAddr
  controllerHeartBeatTimeoutMills correctLogicMinOffsetForceInterval correctLogicMinOffsetSleepInterval dataReadAheadEnable
  debugLockEnable defaultMessageRequestMode defaultPopShareQueueNum defaultQueryMaxNum delayOffsetUpdateVersionStep
  deleteCommitLogFilesInterval deleteConsumeQueueFilesInterval deleteFileBatchMax destroyMapedFileIntervalForcibly
  disableCallbackExecutor disableConsumeIfConsumerReadSlowly disableNettyWorkerGroup disappearTimeAfterStart diskFallRecorded
  dispatchCqCacheNum dispatchCqThreads dispatchFromSenderThread duplicationEnable enableAcceleratedRecovery enableAsyncReput
  enableBroadcastOffsetStore enableBuildConsumeQueueConcurrently enableCalcFilterBitMap enableCleanExpiredOffset
  enableCompaction enableConnectionMetrics enableConsumeQueueExt enableCreateSysGroup enabledAppendPropCRC enableDetailStat
  enableFastChannelEventProcess enableLagAndDlqMetrics enableLitePopLog enableLmq enableLmqStats
  enableLogConsumeQueueRepeatedlyBuildWhenRecover enableMessageStoreMetrics enableMixedMessageType enableMultiDispatch
  enableNetWorkFlowControl enableNotifyAfterPopOrderLockRelease enableNotifyBeforePopCalculateLag enablePopBatchAck
  enablePopBufferMerge enablePopLog enablePopMessageThreshold enablePopMetrics enablePropertyFilter enableReconnectForGoAway
  enableRegisterProducer enableRemoteEscape enableRemotingMetrics enableRequestMetrics enableRetryTopicV2 enableRocksDBLog
  enableScheduleAsyncDeliver enableScheduleMessageStats enableShutdownGracefully enableSingleTopicRegister
  enableSkipLongAwaitingAck enableSlaveActingMaster enableSplitMetadata enableSplitRegistration enableStatsMetrics
  enableTransactionMetrics enableTransparentRetry endTransactionPoolQueueCapacity endTransactionThreadPoolNums
  estimateAccumulation expectConsumerNumUseFilter fetchControllerAddrByDnsLookup filterDataCleanTimeSpan filterServerNums
  filterSupportRetry flushConsumeQueueLeastPages flushConsumeQueueThoroughInterval flushConsumerOffsetHistoryInterval
  flushConsumerOffsetInterval flushDelayOffsetInterval flushIntervalConsumeQueue flushLeastPagesWhenWarmMapedFile forceRegister
  forceVerifyPropCRC forwardTimeout globalColdReadThreshold heartbeatThreadPoolNums heartbeatThreadPoolQueueCapacity
  highSpeedMode inBrokerContainer initAuthenticationUser initPopOffsetByCheckMsgInMem innerClientAuthenticationCredentials
  isolateLogEnable liteEventCapacityCacheTtlMs liteEventCheckInterval liteEventFullDispatchDelayTime
  liteEventFullDispatchDelayTimeForWildcardGroup litePullMessageEnable litePullMessageThreadPoolNums
  litePullThreadPoolQueueCapacity liteSubscriptionCheckInterval liteSubscriptionCheckTimeoutMills liteTtlCheckInterval
  loadBalancePollNameServerInterval loadBalanceProcessorThreadPoolNums loadBalanceThreadPoolQueueCapacity lockInStrictMode
  logicQueueForceSwapMapInterval logicQueueSwapMapInterval logicQueueSwapMapReserveFileNum mapedFileSizeConsumeQueue
  mappedFileSizeConsumeQueue mappedFileSizeConsumeQueueExt mappedFileSizeTimerLog mappedFileSwapEnable
  mapperFileSizeBatchConsumeQueue maxAsyncPutMessageRequests maxBatchDeleteFilesNum maxChecksumRange maxClientEventCount
  maxConsumeQueueScan maxDelayTime maxErrorRateOfBloomFilter maxFilterMessageSize maxHashSlotNum maxIndexNum
  maxLiteSubscriptionCount maxLmqConsumeQueueNum maxMessageFilterNumForNotification maxMsgsNumBatch maxOffsetMapSize
  maxPopPollingSize maxReconnectIntervalTimeSeconds maxRecoveryCommitlogFiles maxSlaveResendLength maxStatsIdleTimeInMinutes
  maxTopicLength maxTransferBytesOnMessageInDisk maxTransferBytesOnMessageInMemory maxTransferCountOnMessageInDisk
  maxTransferCountOnMessageInMemory memTableFlushIntervalMs messageIndexEnable messageIndexSafe
  metricGrpcExporterIntervalInMills metricGrpcExporterTimeOutInMills metricLoggingExporterIntervalInMills
  metricsExportBatchMaxConcurrent metricsExportBatchMaxDataPoints metricsExportBatchSplitEnabled metricsExporterType
  metricsExportOtelMemoryMode metricsGrpcExporterHeader metricsGrpcExporterTarget metricsInDelta metricsLabel
  metricsOtelCardinalityLimit metricsPromExporterHost metricsPromExporterPort migrateAuthFromV1Enabled migrateFromAclV1Enabled
  minLiteTTl msgTraceTopicName notifyConsumerIdsChangedEnable offsetCheckInSlave persistConsumerOffsetIncrementally
  popCkMaxBufferSize popCkOffsetMaxQueueSize popCkStayBufferTime popCkStayBufferTimeOut popConsumerFSServiceInit
  popConsumerKVServiceEnable popConsumerKVServiceInit popConsumerKVServiceLog popFromRetryProbability
  popFromRetryProbabilityForPriority popInflightMessageThreshold popLongPollingForceNotifyInterval
  popPollingMapExpireTimeSeconds popPollingMapSize popPollingSize popResponseReturnActualRetryTopic popReviveConcurrency
  popReviveMaxAttemptTimes popReviveMaxReturnSizePerRead popReviveSkipIfGroupAbsent printChannelGroups printChannelGroupsMinNum
  priorityOrderAsc processReplyMessageThreadPoolNums pullBatchMaxMessageCount pullThreadPoolQueueCapacity
  putConsumeQueueDataByFileChannel putMessageFutureThreadPoolNums putMsgIndexHightWater putThreadPoolQueueCapacity
  queryMessageThreadPoolNums queryThreadPoolQueueCapacity readUnCommitted realTimeNotifyConsumerChange
  realTimePersistRocksDBConfig recallMessageEnable recheckReputOffsetFromCq recoverThreadPoolNums redeleteHangedFileInterval
  regionId rejectPullConsumerEnable replicasPerDiskPartition replyThreadPoolQueueCapacity retrieveMessageFromPopRetryTopicV1
  reviveAckWaitMs reviveInterval reviveMaxSlow reviveQueueNum reviveScanTime rocketmqHome rocksdbCompressionType
  rocksdbCQDoubleWriteEnable rocksdbFlushWalFrequency rocksdbWalFileRollingThreshold sampleCountThreshold sampleSteps
  scanAvailableNameSrv scheduleAsyncDeliverMaxPendingLimit scheduleAsyncDeliverMaxResendNum2Blocked searchBcqByCacheEnable
  sendHeartbeatTimeoutMillis serverAsyncSemaphoreValue serverCallbackExecutorThreads serverChannelMaxIdleTimeSeconds
  serverLoadBalancerEnable serverNettyWorkerGroupEnable serverOnewaySemaphoreValue serverPooledByteBufAllocatorEnable
  serverSelectorThreads serverSocketBacklog serverSocketRcvBufSize serverSocketSndBufSize serverWorkerThreads
  shortPollingTimeMills shutdownWaitTimeSeconds skipPreOnline skipWhenCKRePutReachMaxTimes socksProxyConfig
  spinLockCollisionRetreatOptimalDegree splitMetadataSize splitRegistrationSize startAcceptSendRequestTimeStamp
  statefulAuthenticationCacheExpiredSecond statefulAuthenticationCacheMaxNum statefulAuthorizationCacheExpiredSecond
  statefulAuthorizationCacheMaxNum statRocksDBCQIntervalSec storeReplyMessageEnable storeType subscriptionExpiredTimeout
  syncBrokerMemberGroupPeriod syncBrokerMetadataPeriod syncControllerMetadataPeriod syncFromLastFile
  syncMasterFlushOffsetWhenStartup timerCheckMetricsWhen timerColdDataCheckIntervalMs timerCongestNumEachSlot
  timerEnableCheckMetrics timerEnableDisruptor timerEnableRetryUntilSuccess timerFlushIntervalMs timerGetMessageThreadNum
  timerInterceptDelayLevel timerMaxDelaySec timerMetricSmallThreshold timerPrecisionMs timerProgressLogIntervalMs
  timerPutMessageThreadNum timerRollWindowSlot timerSkipUnknownError timerStopDequeue timerStopEnqueue timerWarmEnable
  timerWheelEnable topicQueueLockNum traceOn traceTopicEnable transactionCheckRocksdbCoreThreads
  transactionCheckRocksdbMaxThreads transactionCheckRocksdbQueueCapacity transactionMetricFlushInterval
  transactionOpBatchInterval transactionOpMsgMaxSize transferMsgByHeap travelCqFileNumWhenGetMessage updateNameServerAddrPeriod
  useABSLock useEpollNativeSelector useMessageFilterForNotification usePIDColdCtrStrategy userCacheExpiredSecond userCacheMaxNum
  userCacheRefreshSecond useReentrantLockWhenPutMessage useSeparateRetryQueue useServerSideResetOffset
  useSingleRocksDBForAllConfigs useStaticSubscription validateSystemTopicWhenUpdateTopic waitTimeMillsInAckQueue
  waitTimeMillsInAdminBrokerQueue waitTimeMillsInHeartbeatQueue waitTimeMillsInLitePullQueue waitTimeMillsInPullQueue
  waitTimeMillsInTransactionQueue wakeCommitWhenPutMessage wakeFlushWhenPutMessage writeBufferHighWaterMark
  writeBufferLowWaterMark
`);

export const KEYS_WITHOUT_MEANING: readonly string[] = [...WITHOUT_MEANING.flatMap(({ keys }) => keys), ...OTHERS];

const LOOKUP: ReadonlySet<string> = new Set(KEYS_WITHOUT_MEANING);

export function isWithoutMeaning(key: string): boolean {
  return LOOKUP.has(key);
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
